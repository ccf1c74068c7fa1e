"""What to test with.

- `FakeServer`: a fake service in the test's own process, for tests of code that uses the SDK. What
  it does is scripted with `states`, what goes wrong with `faults`.
- `ServiceProcess`, `WorkerProcess`: real ones in processes of their own, for tests of agents.
- `PostgresServer`, `Postgres`: a real database for them.
- `assert_replays`: recorded executions as regression tests of agents.

All but the first need `pip install "moderately[server]"`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moderately.cli.process import ServiceProcess, WorkerProcess
    from moderately.testing import faults, states
    from moderately.testing.fake import FakeServer
    from moderately.testing.fake_api import FakeRequest
    from moderately.testing.postgres import Postgres, PostgresServer
    from moderately.testing.replay import assert_replays

__all__ = [
    "FakeRequest",
    "FakeServer",
    "Postgres",
    "PostgresServer",
    "ServiceProcess",
    "WorkerProcess",
    "assert_replays",
    "faults",
    "states",
]

_HOME = {
    "FakeRequest": "moderately.testing.fake_api",
    "FakeServer": "moderately.testing.fake",
    "Postgres": "moderately.testing.postgres",
    "PostgresServer": "moderately.testing.postgres",
    "ServiceProcess": "moderately.cli.process",
    "WorkerProcess": "moderately.cli.process",
    "assert_replays": "moderately.testing.replay",
}


def __getattr__(name: str) -> Any:
    if name in ("faults", "states"):
        return import_module(f"moderately.testing.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value
