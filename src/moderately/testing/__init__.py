"""What to test with: real services and databases, and recorded executions."""

from moderately.cli.process import ServiceProcess, WorkerProcess
from moderately.testing.postgres import Postgres, PostgresServer
from moderately.testing.replay import assert_replays

__all__ = ["Postgres", "PostgresServer", "ServiceProcess", "WorkerProcess", "assert_replays"]
