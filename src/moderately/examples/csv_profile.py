"""`csv-profile`: says what is in a CSV file, column by column, however long it is."""

import csv
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TextIO

from pydantic import Field

from moderately.runtime import SyncContext, agent

__all__ = ["Column", "Profile", "csv_profile", "profile"]

DISTINCT_LIMIT: Final = 10_000
COMMON: Final = 5
REPORT_ROWS: Final = 20_000
_DELIMITERS: Final = ",;\t|"


@dataclass(frozen=True, slots=True)
class Column:
    """What is known of a column. Numbers only are compared for `min`, `max` and `mean`."""

    name: str
    type: str
    empty: int
    distinct: int
    distinct_is_capped: bool
    min: float | None
    max: float | None
    mean: float | None
    most_common: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Profile:
    """What `csv-profile` gives."""

    file: str
    delimiter: str
    rows: int
    ragged_rows: int
    columns: list[Column]


class _Tally:
    """Counts one column. Memory is bounded: so many distinct values at most are told apart."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values: Counter[str] = Counter()
        self.capped = False
        self.empty = 0
        self.numbers = 0
        self.integers = 0
        self.texts = 0
        self.low = math.inf
        self.high = -math.inf
        self.total = 0.0

    def add(self, text: str) -> None:
        value = text.strip()
        if not value:
            self.empty += 1
            return
        if value in self.values or len(self.values) < DISTINCT_LIMIT:
            self.values[value] += 1
        else:
            self.capped = True
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or "_" in value:
            self.texts += 1
            return
        self.numbers += 1
        self.integers += value.lstrip("+-").isdigit()
        self.low, self.high = min(self.low, number), max(self.high, number)
        self.total += number

    def column(self) -> Column:
        has_numbers = self.numbers > 0
        return Column(
            name=self.name,
            type=self._type(),
            empty=self.empty,
            distinct=len(self.values),
            distinct_is_capped=self.capped,
            min=self.low if has_numbers else None,
            max=self.high if has_numbers else None,
            mean=self.total / self.numbers if has_numbers else None,
            most_common=self.values.most_common(COMMON),
        )

    def _type(self) -> str:
        if self.texts:
            return "mixed" if self.numbers else "text"
        if not self.numbers:
            return "empty"
        return "integer" if self.integers == self.numbers else "number"


@agent("csv-profile", version="1", timeout=3600.0)
def csv_profile(
    ctx: SyncContext,
    file: Annotated[str, Field(min_length=1, description="The CSV file; its first row has names.")],
) -> Profile:
    """Say what is in a CSV file: types, gaps, ranges and common values of each column."""
    return ctx.step("profile", profile, file, ctx)


def profile(file: str, ctx: SyncContext | None = None) -> Profile:
    """Read a CSV file row by row.

    Args:
        file: Its path; UTF-8, with or without a byte order mark.
        ctx: Where to report progress.

    Raises:
        ValueError: If it is empty, or not text.
        OSError: If it cannot be read.
    """
    path = Path(file).expanduser()
    size = path.stat().st_size
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            return _read(text, path.name, size, ctx)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 text: byte {error.start} is wrong") from None
    except csv.Error as error:
        raise ValueError(f"{path.name} is not a CSV file: {error}") from None


def _read(text: TextIO, name: str, size: int, ctx: SyncContext | None) -> Profile:
    # The header tells the delimiter: the one that it has most of.
    header = text.readline()
    delimiter = max(_DELIMITERS, key=header.count)
    text.seek(0)
    rows = csv.reader(text, delimiter=delimiter)
    names = next(rows, None)
    if not names:
        raise ValueError(f"{name} is empty")
    tallies = [_Tally(title.strip() or f"column {n}") for n, title in enumerate(names, 1)]
    count = ragged = read = 0
    for row in rows:
        if not row:
            continue
        count += 1
        ragged += len(row) != len(tallies)
        read += sum(map(len, row)) + len(row)
        for tally, value in zip(tallies, row, strict=False):
            tally.add(value)
        if ctx is not None and count % REPORT_ROWS == 0:
            ctx.progress(min(1.0, read / max(size, 1)), f"read {count} rows")
    return Profile(
        file=name,
        delimiter=delimiter,
        rows=count,
        ragged_rows=ragged,
        columns=[tally.column() for tally in tallies],
    )
