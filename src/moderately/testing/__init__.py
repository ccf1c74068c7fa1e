"""What to test with: a real service, in a process of its own."""

from moderately.testing.service import ServiceProcess

__all__ = ["ServiceProcess"]
