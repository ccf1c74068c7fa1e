"""A package, so that what drives the browser goes when its last test has ended."""
