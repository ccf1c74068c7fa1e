"""What the executions page is asked for. It lives in the URL, so that it can be shared."""

import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from moderately.domain.errors import InvalidRequest
from moderately.domain.listing import ListQuery
from moderately.http.fields import MAX_PAGE, Query, moment, optional_text
from moderately.protocol.vocabulary import OrderBy, OrderDirection, Status

__all__ = ["SIZES", "Search", "read_search"]

SIZES: Final = (25, 50, 100, 200)
_NO_OFFSET: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?", re.ASCII)
_ID: Final = "exec_"
_SHORT: Final = re.compile(r"[0-9a-z]{8,26}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Search:
    """What to show of the team's executions.

    Attributes:
        agent_id: Only this agent's.
        statuses: Only these statuses; all when empty.
        created_after: Only those created later; as it was typed, UTC where it has no offset.
        created_before: Only those created earlier.
        labels: Only those with all of these labels.
        text: An id, how it begins, or its end as the table shows it; a label (`key=value`), or how
            a label's value begins.
        order_by: What to order by.
        order_direction: Which way.
        page: Which page, from 1.
        page_size: How many a page.
    """

    agent_id: str | None = None
    statuses: tuple[Status, ...] = ()
    created_after: str | None = None
    created_before: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    text: str | None = None
    order_by: OrderBy = OrderBy.CREATED_AT
    order_direction: OrderDirection = OrderDirection.DESC
    page: int = 1
    page_size: int = SIZES[0]

    def queries(self) -> list[ListQuery]:
        """The same for the store: the first that finds anything is meant.

        Raises:
            InvalidRequest: If a time cannot be read.
        """
        found = ListQuery(
            agent_id=self.agent_id,
            statuses=self.statuses,
            created_after=_moment(self.created_after, "created_after"),
            created_before=_moment(self.created_before, "created_before"),
            metadata=dict(self.labels),
            order_by=self.order_by,
            order_direction=self.order_direction,
            page=self.page,
            page_size=self.page_size,
            has_payloads=False,
        )
        text = self.text or ""
        key, is_label, value = text.partition("=")
        if not text:
            return [found]
        if text.startswith(_ID):
            return [replace(found, id_prefix=text)]
        if is_label and key:
            return [replace(found, metadata={**found.metadata, key: value})]
        short = text.removeprefix("…")
        ends = [replace(found, id_suffix=short)] if _SHORT.fullmatch(short) else []
        return [replace(found, label_prefix=text), *ends]

    @property
    def is_narrow(self) -> bool:
        """Whether it leaves anything out, but for what is on other pages."""
        return self != Search(
            order_by=self.order_by,
            order_direction=self.order_direction,
            page=self.page,
            page_size=self.page_size,
        )

    @property
    def has_more(self) -> bool:
        """Whether it asks for times, an order or a number of rows."""
        names = ("created_after", "created_before", "order_by", "order_direction", "page_size")
        return any(getattr(self, name) != getattr(_EVERYTHING, name) for name in names)

    def url(self) -> str:
        """The page's address."""
        pairs = self._pairs()
        for name in ("order_by", "order_direction", "page", "page_size"):
            value = getattr(self, name)
            if value != getattr(_EVERYTHING, name):
                pairs.append((name, str(value)))
        return "/?" + urlencode(pairs) if pairs else "/"

    def _pairs(self) -> list[tuple[str, str]]:
        pairs = [("status", status.value) for status in self.statuses]
        for name, value in (
            ("q", self.text),
            ("agent_id", self.agent_id),
            ("created_after", self.created_after),
            ("created_before", self.created_before),
        ):
            if value:
                pairs.append((name, value))
        return pairs + [(f"metadata.{key}", value) for key, value in self.labels]

    def stream(self) -> str:
        """Where the events come from that may change the page: of all statuses, for the counts."""
        query = self.queries()[0]
        pairs = [("agent_id", self.agent_id)] if self.agent_id else []
        pairs += [(f"metadata.{key}", value) for key, value in query.metadata.items()]
        return "/ui/events?" + urlencode(pairs) if pairs else "/ui/events"

    def toggled(self, status: Status) -> str:
        """The address with a status more, or less."""
        wanted = tuple(one for one in Status if (one in self.statuses) != (one is status))
        return replace(self, statuses=wanted, page=1).url()

    def everywhere(self) -> str:
        """The address with all statuses."""
        return replace(self, statuses=(), page=1).url()

    def labelled(self, key: str, value: str) -> str:
        """The address with a label more."""
        labels = {**dict(self.labels), key: value}
        return replace(self, labels=tuple(labels.items()), page=1).url()

    def unlabelled(self, key: str) -> str:
        """The address with a label less."""
        labels = tuple(pair for pair in self.labels if pair[0] != key)
        return replace(self, labels=labels, page=1).url()

    def ordered(self, order_by: str) -> str:
        """The address with another order; with the same one, the other way."""
        column, direction = OrderBy(order_by), OrderDirection.DESC
        if column is self.order_by and self.order_direction is OrderDirection.DESC:
            direction = OrderDirection.ASC
        return replace(self, order_by=column, order_direction=direction, page=1).url()

    def at(self, page: int) -> str:
        """The address of another page."""
        return replace(self, page=page).url()


_EVERYTHING: Final = Search()


def read_search(query: Query) -> Search:
    """Read a query. What a form left empty counts as not given.

    Raises:
        InvalidRequest: If a parameter is wrong or unknown.
    """

    def given(name: str) -> str | None:
        return optional_text((query.one(name) or "").strip() or None, name)

    labels = query.prefixed("metadata.")
    size = query.integer("page_size", SIZES[0], 1, SIZES[-1])
    found = Search(
        agent_id=given("agent_id"),
        statuses=tuple(_status(text) for text in dict.fromkeys(query.many("status")) if text),
        created_after=given("created_after"),
        created_before=given("created_before"),
        labels=tuple(labels.items()),
        text=given("q"),
        order_by=query.choice("order_by", OrderBy.CREATED_AT),
        order_direction=query.choice("order_direction", OrderDirection.DESC),
        page=query.integer("page", 1, 1, MAX_PAGE),
        page_size=size,
    )
    query.done()
    return found


def _status(text: str) -> Status:
    try:
        return Status(text)
    except ValueError:
        known = ", ".join(Status)
        raise InvalidRequest.field("status", f"must be one of {known}") from None


def _moment(text: str | None, name: str) -> int | None:
    if text is not None and _NO_OFFSET.fullmatch(text):
        text += "Z"
    return moment(text, name)
