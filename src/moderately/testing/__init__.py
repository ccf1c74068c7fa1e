"""What to test with: a real service in a process of its own, and recorded executions."""

from moderately.testing.replay import assert_replays
from moderately.testing.service import ServiceProcess

__all__ = ["ServiceProcess", "assert_replays"]
