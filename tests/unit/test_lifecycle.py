"""The lifecycle: no sequence of commands, in any interleaving, breaks the table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moderately.domain.commands import (
    Cancel,
    Command,
    Complete,
    Enter,
    Expire,
    Fail,
    Move,
    Note,
    Park,
    Pause,
    Record,
    Release,
    RetryLater,
    Settle,
    Spawn,
    Start,
    Wait,
    Wake,
)
from moderately.domain.errors import ExecutionTerminal, FencedOut, IllegalTransition
from moderately.domain.execution import FOREVER, Execution, Failure, NewEvent, Step
from moderately.domain.lifecycle import TRANSITIONS, as_created, decide
from moderately.protocol.vocabulary import TERMINAL_STATUSES, Status

FENCES = st.integers(0, 4)
FAILURES = st.just(Failure("agent_error", "no luck"))
STEPS = st.sampled_from(["0/1", "0/2"]).map(lambda path: Step(path, "step", "s", "completed"))
TIMES = st.integers(1, 100) | st.just(FOREVER)
BLOCKED = st.just({"kind": "sleep"})
WAITS = st.just(("0/1",))
COMMANDS = st.one_of(
    st.builds(Start),
    st.builds(Complete, FENCES, st.integers()),
    st.builds(Fail, FENCES, FAILURES),
    st.builds(RetryLater, FENCES, FAILURES, TIMES),
    st.builds(Release, FENCES, st.just("stopped")),
    st.builds(Park, FENCES, TIMES, BLOCKED, WAITS),
    st.builds(Pause, FENCES, TIMES, BLOCKED, WAITS, st.just("waiting_for_input")),
    st.builds(Wake),
    st.builds(Expire, FAILURES),
    st.builds(Move, st.sampled_from(["1", "2"])),
    st.builds(Cancel, st.none() | st.just("enough")),
    st.builds(Enter, FENCES, STEPS),
    st.builds(Record, FENCES, STEPS),
    st.builds(Wait, FENCES, STEPS),
    st.builds(Spawn, FENCES, STEPS),
    st.builds(Settle, STEPS),
    st.builds(Note, FENCES, st.just((NewEvent("log", {}),))),
)
ENDS = {
    Status.COMPLETED: "completed_at",
    Status.FAILED: "failed_at",
    Status.CANCELLED: "cancelled_at",
}


def new(status: Status = Status.PENDING) -> Execution:
    return Execution("exec_1", "team", "agent", "1", status, 1, 1, {}, event_seq=1)


@given(st.lists(COMMANDS, max_size=30))
def test_any_sequence_of_commands_keeps_to_the_table(commands: list[Command]) -> None:
    execution = new()
    for now, command in enumerate(commands, 2):
        try:
            after, events = decide(execution, command, now)
        except ExecutionTerminal:
            assert execution.status in TERMINAL_STATUSES
            continue
        except FencedOut:
            fence = command.fence  # type: ignore[union-attr]
            assert execution.status is not Status.RUNNING or fence != execution.fence
            continue
        except IllegalTransition:
            assert (execution.status, type(command)) not in TRANSITIONS
            continue
        assert after.status is TRANSITIONS[execution.status, type(command)]
        assert after.event_seq == execution.event_seq + len(events)
        assert events or after.status is execution.status
        assert after.updated_at == now
        assert after.fence == execution.fence + isinstance(command, Start)
        assert (after.paused_at is not None) == (after.status is Status.PAUSED)
        assert after.run_at is None or after.status in (Status.PENDING, Status.PAUSED)
        assert after.step_count >= execution.step_count
        for status, column in ENDS.items():
            assert (getattr(after, column) is not None) == (after.status is status)
        execution = after


@given(st.sampled_from(sorted(TERMINAL_STATUSES)), COMMANDS)
def test_nothing_leads_out_of_a_terminal_status(status: Status, command: Command) -> None:
    with pytest.raises((ExecutionTerminal, FencedOut)):
        decide(new(status), command, 2)


def test_no_row_of_the_table_starts_from_a_terminal_status() -> None:
    assert not {status for status, _ in TRANSITIONS} & TERMINAL_STATUSES


def test_only_the_newest_claim_may_write() -> None:
    first, _ = decide(new(), Start(), 2)
    released, _ = decide(first, Release(first.fence, "stopped"), 3)
    second, _ = decide(released, Start(), 4)
    with pytest.raises(FencedOut):
        decide(second, Complete(first.fence, 1), 5)
    assert decide(second, Complete(second.fence, 1), 5)[0].output_data == 1
    assert second.attempt == 2
    assert second.started_at == 2


def test_a_repeated_create_gets_the_execution_as_it_was_created() -> None:
    running, _ = decide(new(), Start(), 2)
    done, _ = decide(running, Complete(1, "x"), 3)
    assert as_created(done) == new()


def test_the_start_of_a_step_is_an_event_only_where_its_effect_may_be_in_doubt() -> None:
    running, _ = decide(new(), Start(), 2)
    for effects, kinds in (("idempotent", []), ("unsafe", ["step.started"])):
        step = Step("0/1", "step", "s", "started", effects=effects, started_at=3)
        entered, events = decide(running, Enter(running.fence, step), 3)
        assert [event.type for event in events] == kinds
        assert entered.in_flight == {"0/1": {"name": "s", "effects": effects, "started_at": 3}}


def test_what_messages_have_used_adds_up() -> None:
    running, _ = decide(new(), Start(), 2)
    used = {"input_tokens": 5, "output_tokens": 2, "cost": 0.5}
    messages = (
        NewEvent("message", {"role": "assistant", "content": "a", **used}),
        NewEvent("message", {"role": "user", "content": "b"}),
        NewEvent("message", {"role": "assistant", "content": "c", "output_tokens": 1}),
    )
    after, _ = decide(running, Note(running.fence, messages), 3)
    assert after.usage == {"input_tokens": 5, "output_tokens": 3, "cost": 0.5}


def test_what_goes_on_after_a_pause_says_so() -> None:
    running, _ = decide(new(), Start(), 2)
    paused, _ = decide(running, Pause(1, FOREVER, {"kind": "input"}, ("0/1",), "waiting"), 3)
    for command in (Settle(Step("0/1", "input", "s", "completed")), Wake()):
        _, events = decide(paused, command, 4)
        assert events[-1].type == "execution.resumed"
