"""What to test with: real services and databases, and recorded executions."""

from moderately.cli.process import ServiceProcess
from moderately.testing.postgres import Postgres, PostgresServer
from moderately.testing.replay import assert_replays

__all__ = ["Postgres", "PostgresServer", "ServiceProcess", "assert_replays"]
