"""What to test with: a real service in a process of its own, and recorded executions."""

from moderately.cli.process import ServiceProcess
from moderately.testing.replay import assert_replays

__all__ = ["ServiceProcess", "assert_replays"]
