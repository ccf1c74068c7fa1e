"""A real browser, a service to look at with it, and what must not go wrong in any test."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from moderately.testing import ServiceProcess
from tests.support.browsing import AGENTS, ARGS, Api, Known, Visits
from tests.support.chromium import provide_chromium

OUT: Final = Path(__file__).parents[2] / "out/browser"
# They draw the browser's own interface, anew for each window: nobody sees it here, and it takes
# more time than our pages.
_WITHOUT: Final = (
    "PreloadTopChromeWebUI",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    "WebUIOmniboxPopup",
)
_FLAGS: Final = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    f"--disable-features={','.join(_WITHOUT)}",
)
_REPORT: Final = pytest.StashKey[pytest.TestReport]()


# Only while these tests run: its loop runs in this thread, where others have loops of their own.
@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """What drives the browser."""
    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="package")
def chromium(
    playwright: Playwright, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[Browser | str]:
    """A Chromium; or why there is none."""
    base = tmp_path_factory.getbasetemp()
    once = (base if worker_id == "master" else base.parent) / "chromium"
    program, wrong = provide_chromium(Path(playwright.chromium.executable_path), once)
    if program is None:
        yield wrong
        return
    browser = playwright.chromium.launch(executable_path=program, args=_FLAGS, timeout=60_000)
    yield browser
    browser.close()


@pytest.fixture(scope="package")
def known() -> Known:
    """Who has signed in before."""
    return {}


@pytest.fixture
def visits(
    chromium: Browser | str,
    known: Known,
    request: pytest.FixtureRequest,
    not_run: Callable[[str], None],
) -> Iterator[Visits]:
    """Windows of a browser; at the end, nothing may have gone wrong in any."""
    if isinstance(chromium, str):
        not_run(f"tests/browser: there is no Chromium here, and none can be installed: {chromium}")
        pytest.skip("no Chromium")
    found = Visits(chromium, known)
    yield found
    try:
        wrong = found.wrong()
        report = request.node.stash.get(_REPORT, None)
        if wrong or report is None or report.failed:
            found.keep(OUT / "failed", re.sub(r"\W+", "-", request.node.name))
    finally:
        found.close()
    assert not wrong


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[_REPORT] = report
    return report


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A real service with agents to watch."""
    data = tmp_path_factory.mktemp("browser")
    with ServiceProcess([AGENTS], data=data, args=ARGS) as process:
        yield process
        assert "Traceback" not in process.output()


@pytest.fixture
def stranger(shown: ServiceProcess) -> str:
    """A key of another team."""
    command = ["keys", "create", "--team", "other", "--json"]
    made = subprocess.run(
        [sys.executable, "-m", "moderately", *command],
        env={**shown.env, "MODERATELY_DATA": str(shown._data)},
        capture_output=True,
        check=True,
        timeout=30,
    )
    return str(json.loads(made.stdout)["api_key"])


@pytest.fixture
def api(shown: ServiceProcess) -> Iterator[Api]:
    """The API of the service that is looked at."""
    found = Api(shown)
    with closing(found.http):
        yield found


@pytest.fixture
def shots() -> Path:
    """Where pictures go that are kept."""
    OUT.mkdir(parents=True, exist_ok=True)
    return OUT
