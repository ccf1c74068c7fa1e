"""Which numbers of a log are settled, whatever transactions do meanwhile."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from moderately.store.postgres.log import Settling


class Table:
    """A log that many transactions write to, and what one who reads it sees."""

    def __init__(self) -> None:
        self.next = 1
        self.open: dict[str, list[int]] = {}
        self.visible: list[int] = []
        self.begun = 0

    def begin(self) -> None:
        self.begun += 1
        self.open[f"3/{self.begun}"] = []

    def draw(self, name: str) -> None:
        self.open[name].append(self.next)
        self.next += 1

    def end(self, name: str, *, well: bool) -> None:
        numbers = self.open.pop(name)
        if well:
            self.visible = sorted([*self.visible, *numbers])


class Reader:
    """Reads what is settled, as `Log` does."""

    def __init__(self, table: Table, at_once: int) -> None:
        self.table = table
        self.at_once = at_once
        self.settling = Settling()
        self.holders: set[str] | None = None
        self.read: list[int] = []

    def ask(self) -> None:
        if self.settling.until:
            self.holders = set(self.table.open)

    def look(self) -> None:
        behind = [n for n in self.table.visible if n > self.settling.number][: self.at_once]
        seen = sorted({*behind, *self.table.visible[-1:]})
        self.settling.look(seen, self.holders)
        self.holders = None
        last = self.read[-1] if self.read else 0
        self.read += [n for n in self.table.visible if last < n <= self.settling.number]


@given(st.randoms(use_true_random=False), st.integers(1, 5), st.integers(1, 6))
@settings(max_examples=300, deadline=None)
def test_every_committed_number_is_read_once_and_in_order(
    choose: Random, at_once: int, most_open: int
) -> None:
    table = Table()
    reader = Reader(table, at_once)
    for _ in range(choose.randrange(200)):
        names = list(table.open)
        match choose.randrange(7):
            case 0 | 1 if len(names) < most_open:
                table.begin()
            case 2 | 3 if names:
                table.draw(choose.choice(names))
            case 4 if names:
                table.end(choose.choice(names), well=choose.random() < 0.7)
            case 5:
                reader.ask()
            case _:
                reader.look()
        # Nothing has been passed that may still come.
        unsettled = [number for numbers in table.open.values() for number in numbers]
        assert all(number > reader.settling.number for number in unsettled)
    for name in list(table.open):
        table.end(name, well=True)
    for _ in range(3 + len(table.visible)):
        reader.look()
        reader.ask()
    reader.look()
    assert reader.read == table.visible


def test_a_number_that_is_missing_is_passed_once_those_who_may_have_it_have_ended() -> None:
    settling = Settling()
    settling.look([1, 2, 4])
    assert (settling.number, settling.until) == (2, 4)
    settling.look([4], {"3/7", "3/8"})
    settling.look([4, 5], {"3/8", "3/9"})
    assert settling.number == 2
    # One that came later does not matter, since its number is larger.
    settling.look([4, 5], {"3/9"})
    assert (settling.number, settling.until) == (5, 0)


def test_a_number_that_comes_late_is_read_before_those_behind_it() -> None:
    settling = Settling()
    settling.look([2])
    settling.look([2], {"3/7"})
    settling.look([1, 2])
    assert (settling.number, settling.until) == (2, 0)


def test_what_was_missing_while_nobody_asked_is_not_passed() -> None:
    settling = Settling()
    # These were asked for before there was anything to be passed.
    settling.look([2], set())
    assert settling.number == 0
    settling.look([2], set())
    assert settling.number == 2
