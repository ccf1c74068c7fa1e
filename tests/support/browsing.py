"""A real browser that is watched: what goes wrong in its windows fails the test."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    StorageState,
    expect,
)

from moderately.testing import ServiceProcess

__all__ = [
    "AGENTS",
    "ARGS",
    "Api",
    "Known",
    "Visits",
    "expect_status",
    "id_of",
    "navigations",
    "sign_in",
]

AGENTS: Final = Path(__file__).parent / "watched.py"
"""Agents to watch."""

ARGS: Final = ("--park-after", "0.2", "--grace", "0")
"""Options of a service that is looked at: nothing waits for long."""

TIMEOUT_MS: Final = 10_000
EXECUTIONS: Final = "/agent-executions"

Known = dict[tuple[str, str], StorageState]
"""The cookies of who has signed in, by the service's address and the key."""

expect.set_options(timeout=TIMEOUT_MS)


def sign_in(page: Page, key: str, *, target: str = "/") -> None:
    """Sign in by the page, and be sent on to the one that was asked for."""
    page.goto(target)
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/ui/sign-in" not in url)


def navigations(page: Page) -> list[str]:
    """Where the page goes from now on."""
    seen: list[str] = []
    page.on("framenavigated", lambda frame: seen.append(frame.url))
    return seen


def id_of(page: Page) -> str:
    """The execution whose page is come to."""
    page.wait_for_url(re.compile(r"/ui/executions/exec_\w+$"))
    return page.url.rpartition("/")[2]


def expect_status(page: Page, word: str) -> None:
    """Wait until the page of an execution tells a status."""
    expect(page.locator(".title .status")).to_have_text(word)


@dataclass
class Visits:
    """Makes windows, each in a profile of its own, and listens to all of them.

    Attributes:
        browser: The browser.
        known: Who has signed in before, by the page, and needs not do it again.
        problems: What went wrong: errors in scripts and on the console, breaches of the policy of
            content, requests to elsewhere, texts that ran.
        log: Everything on the consoles.
        allowed: Parts of errors that the test means to cause.
    """

    browser: Browser
    known: Known
    problems: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)

    def open(
        self, service: ServiceProcess, *, key: str | None = None, target: str = "/", **options: Any
    ) -> Page:
        """A new window, signed in by the page, at a page.

        Args:
            service: Whose dashboard.
            key: Who signs in, if not the service's own key; nobody if empty.
            target: The page to be at.
            options: What the profile is like.
        """
        key = service.api_key if key is None else key
        place = (service.base_url, key)
        known = self.known.get(place)
        options = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **options}
        options |= {"storage_state": known} if known else {}
        context = self.browser.new_context(base_url=service.base_url, **options)
        context.set_default_timeout(TIMEOUT_MS)
        self.contexts.append(context)
        self._listen(context, urlsplit(service.base_url).netloc)
        page = context.new_page()
        if not key:
            return page
        if known is None:
            sign_in(page, key, target=target)
            self.known[place] = context.storage_state()
        else:
            page.goto(target)
        return page

    def allow(self, *parts: str) -> None:
        """Expect errors that have one of these parts."""
        self.allowed.extend(parts)

    def wrong(self) -> list[str]:
        """What went wrong so far, unasked."""
        for context in self.contexts:
            for page in context.pages:
                if page.url != "about:blank" and (ran := page.evaluate("window.__xss")):
                    self.problems.append(f"a text ran as a script: {ran}")
        return [one for one in self.problems if not any(part in one for part in self.allowed)]

    def keep(self, folder: Path, name: str) -> None:
        """Leave pictures of all windows, and what was on their consoles."""
        folder.mkdir(parents=True, exist_ok=True)
        pages = [page for context in self.contexts for page in context.pages]
        for number, page in enumerate(pages, 1):
            page.screenshot(path=folder / f"{name}-{number}.png")
        (folder / f"{name}.log").write_text("\n".join([*self.log, *self.problems]) + "\n")

    def close(self) -> None:
        """Close all windows."""
        for context in self.contexts:
            context.close()

    def _listen(self, context: BrowserContext, host: str) -> None:
        def on_request(request: Request) -> None:
            url = urlsplit(request.url)
            if url.scheme not in {"data", "blob", "about"} and url.netloc != host:
                self.problems.append(f"a request to elsewhere: {request.url}")

        def on_dialog(dialog: Dialog) -> None:
            self.problems.append(f"a dialog: {dialog.message}")
            dialog.dismiss()

        def on_console(said: ConsoleMessage) -> None:
            text = f"console {said.type}: {said.text} ({said.location['url']})"
            self.log.append(text)
            if said.type in {"error", "warning"}:
                self.problems.append(text)

        context.on("request", on_request)
        context.on("dialog", on_dialog)
        context.on("console", on_console)
        context.on("weberror", lambda error: self.problems.append(f"an error: {error.error}"))


class Api:
    """The API, for what a test needs behind the pages.

    Args:
        service: Whose.
        key: Whose key, if not the service's own.
    """

    def __init__(self, service: ServiceProcess, key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {service.api_key if key is None else key}"}
        self.http = httpx2.Client(base_url=service.base_url, headers=headers, timeout=30)

    def create(self, agent_id: str, input_data: dict[str, Any] | None = None, **more: Any) -> str:
        """The id of a new execution."""
        body = {"agent_id": agent_id, "input_data": input_data, **more}
        reply = self.http.post(EXECUTIONS, json=body)
        assert reply.status_code == 201, reply.text
        return str(reply.json()["id"])

    def get(self, execution_id: str) -> dict[str, Any]:
        """An execution as it stands."""
        reply = self.http.get(f"{EXECUTIONS}/{execution_id}").raise_for_status()
        return dict(reply.json())

    def finish(self, execution_id: str) -> dict[str, Any]:
        """An execution when it has ended."""
        found = self.http.get(f"{EXECUTIONS}/{execution_id}", params={"wait": 20}).json()
        assert found["is_terminal"], found
        return dict(found)

    def ended(self, agent_id: str, input_data: dict[str, Any] | None = None, **more: Any) -> str:
        """The id of an execution that has ended."""
        execution_id = self.create(agent_id, input_data, **more)
        self.finish(execution_id)
        return execution_id

    def until(self, execution_id: str, kind: str, *, times: int = 1) -> None:
        """Wait for events of a type."""
        after, seen = 0, 0
        while seen < times:
            query = {"after": after, "wait": 20}
            reply = self.http.get(f"{EXECUTIONS}/{execution_id}/events", params=query)
            page = reply.raise_for_status().json()
            seen += sum(event["type"] == kind for event in page["items"])
            assert seen >= times or not page["is_terminal"], page
            after = page["next_after"]

    def numbers(self, execution_id: str) -> list[int]:
        """The numbers of all of its events."""
        query = {"limit": 1000}
        reply = self.http.get(f"{EXECUTIONS}/{execution_id}/events", params=query)
        return [event["seq"] for event in reply.json()["items"]]
