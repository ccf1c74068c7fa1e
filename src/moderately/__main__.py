"""`python -m moderately`."""

from moderately.cli import main

if __name__ == "__main__":
    main()
