"""The rules, pure: no clock, no randomness, no input or output. Time and ids come in as arguments."""
