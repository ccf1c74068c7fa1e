"""Whose turn it is."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from moderately.domain.fairness import KEYS_AT_ONCE, TEAMS_AT_ONCE, Head, Room, Turns, deal


def head(number: int, team: str = "t", agent: str = "a", **fields: object) -> Head:
    known = {"lane": "0:1", "priority": 0, "concurrency_key": None} | fields
    return Head(f"exec_{number:05}", team, agent, **known)  # type: ignore[arg-type]


def ids(heads: list[Head]) -> list[int]:
    return [int(one.id.removeprefix("exec_")) for one in heads]


def test_a_team_goes_by_priority_and_then_by_age() -> None:
    heads = [head(1), head(2, priority=5), head(3, priority=5), head(4, agent="b", priority=9)]
    rooms = {"a": Room(9), "b": Room(9)}
    assert ids(deal(heads, rooms, 9, Turns())) == [4, 2, 3, 1]


def test_a_team_with_much_to_do_does_not_starve_another() -> None:
    turns = Turns()
    waiting = [head(n, team="big") for n in range(100)]
    late = [head(1000 + n, team="small", priority=-5) for n in range(3)]
    found = []
    for _ in range(6):
        chosen = deal([*waiting, *late], {"a": Room(1)}, 1, turns)
        found += chosen
        waiting = [one for one in waiting if one not in chosen]
        late = [one for one in late if one not in chosen]
    assert [one.team_id for one in found] == ["big", "small"] * 3


def test_an_agent_with_much_to_do_does_not_starve_another() -> None:
    heads = [head(n) for n in range(100)] + [head(1000 + n, agent="b") for n in range(3)]
    chosen = deal(heads, {"a": Room(9), "b": Room(9)}, 6, Turns())
    assert [one.agent_id for one in chosen] == ["a", "b"] * 3


def test_a_look_goes_on_behind_the_last_team_until_it_has_seen_all() -> None:
    turns = Turns()
    first = [head(n, team=f"t{n:03}") for n in range(TEAMS_AT_ONCE)]
    teams = [one.team_id for one in first]
    # What waits there need not be able to run here.
    assert not turns.looked_at("a", teams, first[:1])
    assert turns.behind("a") == teams[-1]
    assert not turns.looked_at("a", ["t900"], [head(1, team="t900")])
    assert turns.behind("a") == ""
    assert turns.looked_at("a", ["t900"], [head(1, team="t900")])


def test_a_look_goes_on_behind_the_last_key_that_all_teams_have_shown() -> None:
    turns = Turns()
    keys = [f"k{n:03}" for n in range(KEYS_AT_ONCE)]
    many = [head(n, concurrency_key=key) for n, key in enumerate(keys)]
    few = [head(n, team="u", concurrency_key="z") for n in range(3)]
    assert not turns.looked_at("a", ["t", "u"], [*many, *few])
    assert turns.behind_key("a") == keys[-1]
    assert not turns.looked_at("a", ["u"], few)
    assert turns.behind_key("a") == ""
    assert turns.looked_at("a", ["u"], few)


HEADS = st.lists(
    st.builds(
        head,
        st.integers(0, 10**5),
        st.sampled_from("xyz"),
        st.sampled_from("ab"),
        priority=st.integers(-2, 2),
        concurrency_key=st.sampled_from([None, "k", "l"]),
    ),
    max_size=40,
    unique_by=lambda one: one.id,
)


@given(HEADS, st.integers(0, 9), st.integers(0, 9), st.integers(1, 3), st.integers(0, 40))
def test_no_limit_is_exceeded_and_no_slot_left_free(
    heads: list[Head], free_a: int, free_b: int, key_limit: int, limit: int
) -> None:
    rooms = {"a": Room(free_a), "b": Room(free_b, key_limit)}
    chosen = deal(heads, rooms, limit, Turns())
    assert len(set(chosen)) == len(chosen) <= limit
    counts = Counter(one.agent_id for one in chosen)
    assert counts["a"] <= free_a
    assert counts["b"] <= free_b
    keys = Counter(one.concurrency_key for one in chosen if one.agent_id == "b")
    assert all(number <= key_limit for key, number in keys.items() if key is not None)
    if len(chosen) < limit:
        # Whatever is left could not have started.
        for one in set(heads) - set(chosen):
            assert not rooms[one.agent_id].take(one.concurrency_key)


@given(HEADS, st.integers(1, 40))
def test_teams_that_wait_are_served_alike(heads: list[Head], limit: int) -> None:
    chosen = deal(heads, {"a": Room(99), "b": Room(99)}, limit, Turns())
    waiting = Counter(one.team_id for one in heads)
    served = Counter(one.team_id for one in chosen)
    hungry = [team for team in waiting if served[team] < waiting[team]]
    assert all(served[other] <= served[team] + 1 for team in hungry for other in waiting)
