"""The clients of a chaos run: they create, answer and look, and note what they have seen."""

import contextlib
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from moderately.cli.histories import History
from moderately.client import (
    APIConnectionError,
    APIStatusError,
    ConflictError,
    ModeratelyAI,
    ModeratelyError,
    ServerError,
)

__all__ = ["Crowd"]

T = TypeVar("T")

_PAGE: Final = 100
_EVENTS: Final = 1000
_INSIST_SECONDS: Final = 30.0
_TIMEOUT_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.02
_LIVE: Final = ["pending", "running", "paused"]
_REFUSALS: Final = (400, 404, 422)


class Crowd:
    """Clients that do not give up, of any of several services on the same data.

    Args:
        services: Where these answer, and with which key.
        revive: Starts again what has died; called before each look in the end.
        log: What the services note to, and the crowd too.
        replies: Where to keep the ids that were promised.

    Attributes:
        accepted: The ids of what was answered with 201.
    """

    def __init__(
        self,
        services: Callable[[], Sequence[tuple[str, str]]],
        revive: Callable[[], None],
        *,
        log: Path,
        replies: Path,
    ) -> None:
        self._services = services
        self._revive = revive
        self._log = log
        self._replies = replies
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._turn = 0
        self.accepted: list[str] = []

    def stop(self) -> None:
        """Create no more."""
        self._stopped.set()

    def create(self, key: str, agent_id: str, **what: Any) -> None:
        """Create an execution, and try again at the next service until one has accepted it.

        Args:
            key: The idempotency key.
            agent_id: The agent.
            **what: The input and further properties.

        Raises:
            RuntimeError: If it is refused for good.
        """
        while not self._stopped.is_set():
            try:
                with self.client() as client:
                    made = client.agent_executions.create(
                        agent_id=agent_id, idempotency_key=key, **what
                    )
            except ModeratelyError as error:
                if _is_final(error):
                    raise RuntimeError(f"{key}: {error}") from error
                self._stopped.wait(_PAUSE_SECONDS)
                continue
            self._keep(made.id)
            return

    def _keep(self, execution_id: str) -> None:
        with self._lock, self._replies.open("a") as replies:
            replies.write(execution_id + "\n")
            replies.flush()
            os.fsync(replies.fileno())
            self.accepted.append(execution_id)

    def look(self) -> None:
        """Note which steps the API shows to be on record: from here on they must not run."""
        try:
            with self.client(retries=0) as client:
                running = client.agent_executions.list(status="running", page_size=20)
                for execution in running.items:
                    for step in client.agent_executions.steps(execution.id):
                        if step["position"]:
                            self._note("seen", execution.id, step["id"])
        except ModeratelyError:
            return

    def answer(self) -> None:
        """Answer whatever is asked."""
        with self.client() as client:
            for execution in client.agent_executions.list(status="paused", page_size=_PAGE):
                for asked in (execution.blocked_on or {}).get("waits", []):
                    with contextlib.suppress(ConflictError):
                        self._answer_one(client, execution.id, asked)

    def _answer_one(self, client: ModeratelyAI, execution_id: str, asked: dict[str, Any]) -> None:
        name, executions = asked["id"], client.agent_executions
        if asked["kind"] == "effect_in_doubt":
            self._note("word", execution_id, name)
            executions.resume(execution_id, wait=name, outcome="did_not_happen")
        elif asked["kind"] == "approval":
            executions.resume(execution_id, wait=name, approved=True)
        elif asked["kind"] == "input":
            executions.cancel(execution_id, reason="chaos")

    def settle(self, deadline: float) -> bool:
        """Answer what is asked until all has ended.

        Args:
            deadline: Until when, on the monotonic clock.

        Returns:
            Whether all has ended in time.
        """
        while time.monotonic() < deadline:
            self._revive()
            try:
                self.answer()
                with self.client() as client:
                    live = client.agent_executions.list(status=_LIVE, page_size=1)
            except (APIConnectionError, ServerError):
                continue
            if live.pagination.total_items == 0:
                return True
            time.sleep(_PAUSE_SECONDS)
        return False

    def histories(self) -> dict[str, History]:
        """What is on record of all executions that there are, by id."""
        found: dict[str, History] = {}
        for page in itertools.count(1):
            histories, is_last = self._insist(partial(_histories, page))
            found |= {str(one.execution["id"]): one for one in histories}
            if is_last:
                break
        return found

    def _insist(self, read: Callable[[ModeratelyAI], T]) -> T:
        """Read, at the next service if one does not answer, for as long as that may take."""
        deadline = time.monotonic() + _INSIST_SECONDS
        while True:
            try:
                with self.client() as client:
                    return read(client)
            except (APIConnectionError, ServerError):
                if time.monotonic() > deadline:
                    raise
                self._revive()

    @contextmanager
    def client(self, retries: int = 2) -> Iterator[ModeratelyAI]:
        """A client of the next service.

        Args:
            retries: How often it tries again by itself.
        """
        services = self._services()
        self._turn += 1
        base_url, api_key = services[self._turn % len(services)]
        with ModeratelyAI(
            base_url=base_url, api_key=api_key, timeout=_TIMEOUT_SECONDS, max_retries=retries
        ) as client:
            yield client

    def _note(self, what: str, execution_id: str, step_id: str) -> None:
        line = {"what": what, "execution": execution_id, "step": step_id, "pid": 0, "effects": ""}
        with self._log.open("a") as log:
            log.write(json.dumps({**line, "at": time.time()}) + "\n")


def _histories(page: int, client: ModeratelyAI) -> tuple[list[History], bool]:
    """A page of them, and whether it is the last one."""
    # Oldest first: nothing moves to another page while they are turned.
    listed = client.agent_executions.list(page=page, page_size=_PAGE, order_direction="asc")
    found = []
    for one in listed.items:
        events = _events(client, one.id)
        found.append(History(one, events, client.agent_executions.steps(one.id)))
    return found, not listed.pagination.has_next_page


def _events(client: ModeratelyAI, execution_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        after = found[-1]["seq"] if found else 0
        page = client.agent_executions.events(execution_id, after=after, limit=_EVENTS)
        found += page["items"]
        if len(page["items"]) < _EVENTS:
            return found


def _is_final(error: ModeratelyError) -> bool:
    if not isinstance(error, APIStatusError):
        return False
    # A conflict that says when to come back is about a twin that is still on its way.
    return error.status_code in _REFUSALS or (
        isinstance(error, ConflictError) and error.retry_after is None
    )
