"""The `agent` decorator: makes an agent of a function."""

import hashlib
import inspect
import math
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from typing import Any, Final, Literal, TypeVar, overload

from pydantic import BaseModel, ConfigDict, TypeAdapter, create_model
from pydantic.errors import PydanticUserError
from pydantic_core import PydanticUndefined

from moderately.domain.agents import AgentVersion
from moderately.domain.limits import Rate
from moderately.domain.retry import Retry
from moderately.protocol.vocabulary import IDENTIFIER_LIMIT
from moderately.runtime.context import Context, SyncContext

__all__ = ["AgentDefinition", "agent"]

F = TypeVar("F", bound=Callable[..., Any])

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_ATTRIBUTE: Final = "__moderately_agent__"


@dataclass(frozen=True, slots=True)
class AgentDefinition:
    """An agent as its function defines it.

    Attributes:
        version: What goes on record.
        function: The function.
        is_async: Whether it is an async one; a plain one runs in a thread.
        input: Reads and checks the input.
        output: Checks the result, and makes JSON of it.
        whole_input: Whether the function's one parameter takes the whole input object; else each
            field of the input is a parameter.
        isolation: Where a plain function runs.
    """

    version: AgentVersion
    function: Callable[..., Any]
    is_async: bool
    input: TypeAdapter[Any]
    output: TypeAdapter[Any]
    whole_input: bool
    isolation: Literal["thread", "process"] = "thread"

    def arguments(self, value: dict[str, Any] | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The function's arguments behind the context, from an execution's input.

        Raises:
            pydantic.ValidationError: If the input does not fit.
        """
        read = self.input.validate_python({} if value is None else value)
        if self.whole_input:
            return (read,), {}
        return (), {name: getattr(read, name) for name in type(read).model_fields}

    @classmethod
    def of(cls, value: object) -> "AgentDefinition | None":
        """The definition that `@agent` tied to a function, if it did."""
        found = getattr(value, _ATTRIBUTE, None)
        return found if isinstance(found, cls) else None


@overload
def agent(target: F, /) -> F: ...
@overload
def agent(
    target: str | None = None,
    /,
    *,
    version: str = "1",
    timeout: float | None = None,
    max_concurrency: int | None = None,
    max_concurrency_per_key: int | None = None,
    rate: str | None = None,
    retry: Retry | None = None,
    isolation: Literal["thread", "process"] = "thread",
    description: str | None = None,
) -> Callable[[F], F]: ...
def agent(
    target: Any = None,
    /,
    *,
    version: str = "1",
    timeout: float | None = None,
    max_concurrency: int | None = None,
    max_concurrency_per_key: int | None = None,
    rate: str | None = None,
    retry: Retry | None = None,
    isolation: Literal["thread", "process"] = "thread",
    description: str | None = None,
) -> Any:
    """Make an agent of a function. The function itself stays as it was.

    Its first parameter is the context: a `Context` for an async function, a `SyncContext` for a
    plain one, which runs in a thread. The further parameters are the fields of the input object;
    a single one whose type is a Pydantic model, a dataclass, a `TypedDict` or a `dict` takes the
    whole object. Their types and the return type give the JSON Schemas.

    Args:
        target: The agent's id; the function's name with `-` for `_` by default.
        version: The version's name. Give a new one when input or output change.
        timeout: How long a run may take, in seconds; for ever by default.
        max_concurrency: How many executions run at once at most; no limit by default.
        max_concurrency_per_key: How many of those with the same `concurrency_key`; no limit by
            default.
        rate: How often executions may start, as `10/m` (s, m, h or d); no limit by default.
        retry: When an execution that failed is tried again; never by default.
        isolation: `process` to run a plain function in a process of its own, which is killed when
            it does not end by itself after a cancel; `thread` by default.
        description: What it is for; the docstring's first paragraph by default.

    Returns:
        The function, or a decorator for it.

    Raises:
        TypeError: If the function cannot be an agent; the message says why.
        ValueError: If an option is wrong.

    Example:
        >>> @agent("greet", timeout=10)
        ... async def greet(ctx: Context, name: str) -> str:
        ...     return f"Hello, {name}"
    """
    limits = (max_concurrency, max_concurrency_per_key, rate)
    options = _Options(version, timeout, *limits, retry, isolation, description)
    if callable(target):
        return _define(target, None, options)
    if target is not None and not isinstance(target, str):
        raise TypeError(f"an agent's id is a string, not {type(target).__name__}")

    def decorate(function: F) -> F:
        return _define(function, target, options)

    return decorate


@dataclass(frozen=True, slots=True)
class _Options:
    version: Any
    timeout: Any
    max_concurrency: Any
    max_concurrency_per_key: Any
    rate: Any
    retry: Any
    isolation: Any
    description: Any

    def check(self, identity: str) -> None:
        if self.timeout is not None and not (0 < self.timeout < math.inf):
            raise ValueError(f"agent {identity!r}: timeout must be a positive number of seconds")
        for name in ("max_concurrency", "max_concurrency_per_key"):
            limit = getattr(self, name)
            if limit is not None and limit < 1:
                raise ValueError(f"agent {identity!r}: {name} must be 1 or more")
        if self.rate is not None:
            try:
                Rate.parse(self.rate)
            except ValueError as error:
                raise ValueError(f"agent {identity!r}: {error}") from None
        if self.retry is not None and not isinstance(self.retry, Retry):
            raise TypeError(f"agent {identity!r}: retry is a Retry, not {self.retry!r}")
        if self.isolation not in ("thread", "process"):
            raise ValueError(f"agent {identity!r}: isolation is 'thread' or 'process'")


def _define(function: F, agent_id: str | None, options: _Options) -> F:
    name = getattr(function, "__name__", "agent")
    identity = agent_id if agent_id is not None else name.replace("_", "-")
    _check_name("id", identity)
    _check_name("version", options.version)
    options.check(identity)
    is_async = inspect.iscoroutinefunction(function)
    if is_async and options.isolation == "process":
        raise TypeError(f"agent {identity!r}: isolation='process' is for plain functions")
    parameters, returns = _signature(function, identity, is_async=is_async)
    whole_input, input_type = _input_type(parameters, identity)
    try:
        read, write = TypeAdapter(input_type), TypeAdapter(returns)
        input_schema = read.json_schema()
        output_schema = write.json_schema(mode="serialization")
    except PydanticUserError as error:
        reason = str(error).splitlines()[0]
        raise TypeError(f"agent {identity!r}: no JSON Schema for its types: {reason}") from None
    doc = inspect.getdoc(function) or ""
    record = AgentVersion(
        agent_id=identity,
        version=options.version,
        description=doc.split("\n\n")[0].strip()
        if options.description is None
        else options.description,
        input_schema=input_schema,
        output_schema=output_schema,
        timeout_seconds=None if options.timeout is None else float(options.timeout),
        max_concurrency=options.max_concurrency,
        max_concurrency_per_key=options.max_concurrency_per_key,
        rate=options.rate,
        retry=None if options.retry is None else options.retry.to_json(),
        fingerprint=_fingerprint(function),
    )
    definition = AgentDefinition(
        record, function, is_async, read, write, whole_input, options.isolation
    )
    setattr(function, _ATTRIBUTE, definition)
    return function


def _check_name(what: str, name: object) -> None:
    if not isinstance(name, str) or not _ID.fullmatch(name) or len(name) > IDENTIFIER_LIMIT:
        raise ValueError(
            f"an agent's {what} has letters, digits, '.', '_' and '-', starts with a letter or"
            f" digit, and has {IDENTIFIER_LIMIT} characters at most; not {name!r}"
        )


def _signature(
    function: Callable[..., Any], identity: str, *, is_async: bool
) -> tuple[list[inspect.Parameter], Any]:
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(
            f"agent {identity!r}: a type in its signature is unknown: {error}"
        ) from None
    parameters = [
        parameter.replace(annotation=hints.get(parameter.name, Any))
        for parameter in inspect.signature(function).parameters.values()
    ]
    wanted = Context if is_async else SyncContext
    kind = "an async" if is_async else "a plain"
    if not parameters:
        raise TypeError(
            f"agent {identity!r}: its function takes the context first:"
            f" def {function.__name__}(ctx: {wanted.__name__}, ...)"
        )
    annotation = parameters[0].annotation
    if annotation not in (wanted, Any):
        raise TypeError(
            f"agent {identity!r}: {kind} function takes a {wanted.__name__} first, not"
            f" {getattr(annotation, '__name__', annotation)}"
        )
    return parameters[1:], hints.get("return", Any)


def _input_type(parameters: list[inspect.Parameter], identity: str) -> tuple[bool, Any]:
    if len(parameters) == 1 and _is_object(parameters[0].annotation):
        return True, parameters[0].annotation
    fields: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            raise TypeError(
                f"agent {identity!r}: parameter {parameter.name!r} cannot be a field of the input"
            )
        if parameter.kind is parameter.VAR_KEYWORD:
            raise TypeError(f"agent {identity!r}: take a dict instead of **{parameter.name}")
        if parameter.name.startswith(("_", "model_")):
            raise TypeError(f"agent {identity!r}: {parameter.name!r} cannot name an input field")
        default = parameter.default
        absent = default is parameter.empty
        fields[parameter.name] = (parameter.annotation, PydanticUndefined if absent else default)
    model = create_model("Input", __config__=ConfigDict(extra="forbid"), **fields)
    return False, model


def _is_object(annotation: Any) -> bool:
    plain = typing.get_origin(annotation) or annotation
    return isinstance(plain, type) and (issubclass(plain, BaseModel | dict) or is_dataclass(plain))


def _fingerprint(function: Callable[..., Any]) -> str:
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return ""
    return hashlib.sha256(source.encode()).hexdigest()[:16]
