"""What those who follow a team, or an execution, are promised on every store."""

import asyncio
from collections.abc import Sequence

from tests.support.stores import Opened, claim, new, run

from moderately.domain.execution import NewEvent
from moderately.domain.following import EventFilter, Place
from moderately.domain.storing import Store
from moderately.service.team_feed import TeamFeed, TeamFollowing
from moderately.service.told import Told

EVERYTHING = EventFilter()


async def heard(following: TeamFollowing, seconds: float = 0.3) -> list[tuple[str, int]]:
    """The events that a follower is given until there is silence."""
    found: list[tuple[str, int]] = []

    def push(told: Sequence[Told]) -> bool:
        found.extend((one.event.execution_id, one.event.seq) for one in told)
        return True

    while (told := await following.more()) is not None:
        push(told)
    await following.rest(push, seconds)
    return found


def test_a_follower_goes_on_within_the_newest_commit(opened: Opened) -> None:
    async def work(store: Store) -> None:
        execution = new()
        await store.create(execution)
        await claim(store)
        await store.append(execution.id, 1, [NewEvent("log", {"n": n}) for n in range(30)])
        feed = TeamFeed(store)
        places = [
            one.place or Place() for one in (await feed.page("team", EVERYTHING, Place(), 100)).told
        ]
        assert len(places) == 32
        for given, place in enumerate([Place(), *places]):
            following = await feed.follow("team", EVERYTHING, place)
            told = [seq for _, seq in await heard(following, 0.01)]
            following.close()
            assert told == list(range(given + 1, 33)), place

    run(opened, work)
