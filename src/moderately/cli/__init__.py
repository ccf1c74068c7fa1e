"""The command line."""

__all__ = ["main"]


def main() -> None:
    """Run the command that the arguments name, and exit."""
    from moderately.cli.app import run  # noqa: PLC0415 - the SDK must not pay for it

    run()
