"""The `agent` decorator: what it makes of a function, and what it refuses."""

from dataclasses import dataclass

import pytest
from pydantic import BaseModel

from moderately import Context, SyncContext, agent
from moderately.runtime import AgentDefinition


def definition(function: object) -> AgentDefinition:
    found = AgentDefinition.of(function)
    assert found is not None
    return found


def test_an_agent_is_named_after_its_function() -> None:
    @agent
    async def find_things(ctx: Context, name: str, times: int = 2) -> str:
        """Find things.

        More of it.
        """
        return name * times

    version = definition(find_things).version
    assert (version.agent_id, version.version) == ("find-things", "1")
    assert version.description == "Find things."
    assert version.input_schema["required"] == ["name"]
    assert version.input_schema["additionalProperties"] is False
    assert version.output_schema == {"type": "string"}
    assert definition(find_things).arguments({"name": "x"}) == ((), {"name": "x", "times": 2})


def test_a_single_object_parameter_takes_the_whole_input() -> None:
    class Model(BaseModel):
        x: int

    @dataclass
    class Data:
        x: int

    @agent
    def one(ctx: SyncContext, value: Model) -> None: ...

    @agent
    def two(ctx: SyncContext, value: Data) -> None: ...

    @agent
    def three(ctx: SyncContext, value: dict[str, int]) -> None: ...

    assert definition(one).arguments({"x": 1})[0] == (Model(x=1),)
    assert definition(two).arguments({"x": 1})[0] == (Data(x=1),)
    assert definition(three).arguments({"x": 1})[0] == ({"x": 1},)


def test_the_function_itself_stays_as_it_was() -> None:
    def shout(ctx: SyncContext, word: str) -> str:
        return word.upper()

    assert agent("loud")(shout) is shout


def test_a_wrong_context_is_refused() -> None:
    with pytest.raises(TypeError, match="takes a SyncContext first"):

        @agent
        def wrong(ctx: Context) -> None: ...

    with pytest.raises(TypeError, match="takes a Context first"):

        @agent
        async def also_wrong(ctx: SyncContext) -> None: ...


def test_a_function_without_a_context_is_refused() -> None:
    with pytest.raises(TypeError, match="takes the context first"):

        @agent
        def none() -> None: ...


@pytest.mark.parametrize("name", ["", "a b", "-a", "a/b", "x" * 201])
def test_an_impossible_id_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="id has letters"):
        agent(name)(lambda ctx: None)


@pytest.mark.parametrize("options", [{"timeout": 0}, {"timeout": -1}, {"max_concurrency": 0}])
def test_an_impossible_limit_is_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        agent("x", **options)(lambda ctx: None)  # type: ignore[call-overload]
