"""The rules, pure: no clock, randomness, input or output. Time and ids come in as arguments."""
