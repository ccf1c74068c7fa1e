"""How the service stands: workers, queues, throughput and latency, storage."""

import asyncio
import math
import platform
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from markupsafe import Markup

from moderately.domain.errors import ExecutionNotFound
from moderately.domain.execution import Execution
from moderately.domain.reports import Load, Queue, Slot
from moderately.domain.workers import Worker
from moderately.http import Call, Reply, Resource
from moderately.protocol.vocabulary import Status
from moderately.web.charts import Series, plot
from moderately.web.filters import duration
from moderately.web.pages import Page, Site

__all__ = ["pages", "quantile"]

N = TypeVar("N", int, float)

_MINUTE: Final = 60_000_000
_SPANS: Final = (
    ("hour", "Last hour, by minute", _MINUTE, 60),
    ("day", "Last day", 15 * _MINUTE, 96),
)
_MOST_QUEUES: Final = 50


@dataclass(frozen=True, slots=True)
class _WorkerRow:
    """A worker as a row of its table."""

    worker: Worker
    loads: Sequence[Load]

    @property
    def running(self) -> int:
        return sum(load.running for load in self.loads)

    @property
    def serves(self) -> list[tuple[str, list[str]]]:
        """Agents, each with the versions that may run here."""
        found = []
        for agent_id, lanes in sorted(self.worker.serves.items()):
            versions = {lane[2:] for lane in lanes if lane.startswith("1:")}
            found.append((agent_id, sorted(versions)))
        return found


class _QueueRow(NamedTuple):
    """An agent's queue as a row of its table."""

    queue: Queue
    oldest: Execution | None
    running: int


class _System:
    def __init__(self, site: Site) -> None:
        self._site = site

    async def show(self, call: Call) -> Reply:
        call.query.done()
        overview, principal = call.service.overview, call.principal
        standing = await overview.standing(principal)
        spans = await asyncio.gather(
            *(overview.ends(principal, width, number) for _, _, width, number in _SPANS)
        )
        by_worker: defaultdict[str, list[Load]] = defaultdict(list)
        running: defaultdict[str, int] = defaultdict(int)
        for load in standing.loads:
            by_worker[load.worker_id].append(load)
            running[load.agent_id] += load.running
        workers = [_WorkerRow(one, by_worker[one.id]) for one in standing.workers]
        queues = await self._queues(call, standing.queues, running)
        seconds = [found for slot in spans[0] for found in slot.seconds]
        return self._site.render(
            call,
            "system.html",
            workers=sorted(workers, key=lambda row: (not row.worker.is_alive, row.worker.id)),
            queues=queues,
            storage=standing.storage,
            ended={status: _total(spans[0], status) for status in Status if status.is_terminal},
            waiting=sum(queue.ready for queue in standing.queues),
            later=sum(queue.later for queue in standing.queues),
            running=sum(running.values()),
            p50=_microseconds(quantile(seconds, 0.5)),
            p95=_microseconds(quantile(seconds, 0.95)),
            plots=[
                _plots(name, title, slots)
                for (name, title, _, _), slots in zip(_SPANS, spans, strict=True)
            ],
            python=platform.python_version(),
        )

    async def _queues(
        self, call: Call, queues: Sequence[Queue], running: dict[str, int]
    ) -> list[_QueueRow]:
        """The longest queues, each with its oldest execution."""
        longest = sorted(queues, key=lambda one: (-one.ready, -one.later, one.agent_id))
        rows = []
        for queue in longest[:_MOST_QUEUES]:
            oldest = None
            if queue.oldest_id is not None:
                try:
                    oldest = await call.service.get(call.principal, queue.oldest_id)
                except ExecutionNotFound:
                    oldest = None
            rows.append(_QueueRow(queue, oldest, running.get(queue.agent_id, 0)))
        return rows


def quantile(values: Sequence[N], share: float) -> N | None:
    """The value that so many of the others do not exceed; None where there are none.

    Example:
        >>> quantile([3.0, 1.0, 2.0], 0.5)
        2.0
    """
    if not values:
        return None
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def _total(slots: Sequence[Slot], status: Status) -> int:
    return sum(slot.ended.get(status, 0) for slot in slots)


def _microseconds(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1_000_000)


def _plots(name: str, title: str, slots: Sequence[Slot]) -> list[Markup]:
    ended = [
        Series(
            status.value,
            [(slot.begun_at, float(slot.ended.get(status, 0))) for slot in slots],
            is_area=status is Status.COMPLETED,
        )
        for status in (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
    ]
    spans = [
        Series(word, [(slot.begun_at, quantile(slot.seconds, share)) for slot in slots])
        for word, share in (("p50", 0.5), ("p95", 0.95))
    ]
    return [
        plot(f"{title}: how many ended", ended, name=f"ended-{name}"),
        plot(
            f"{title}: from creation to end",
            spans,
            shown=lambda seconds: duration(int(seconds * 1_000_000)),
            name=f"spans-{name}",
        ),
    ]


def pages(site: Site) -> dict[str, Resource]:
    """The pages, by the templates of their paths."""
    return {"/ui/system": Page(site, get=_System(site).show)}
