"""Forms made of a JSON Schema, and their fields made into a JSON value again. Pure.

A field left blank is a field left out: then the agent's own default counts. What a form cannot
hold (an unusual schema, or a value like an optional empty text) is edited as JSON, so that reading
a filled form always gives the value that it was filled with. The form checks no more than it must
to make a value: the service's own check is the judge, `with_problems` shows what it found.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from moderately.domain.errors import InvalidRequest
from moderately.http.body import parse_json
from moderately.protocol.problems import Detail
from moderately.web.schemas import Shape, shape_of

__all__ = [
    "Field",
    "Form",
    "Posted",
    "blank_form",
    "filled_form",
    "is_same",
    "read_form",
    "read_object",
    "with_problems",
]

Posted = Mapping[str, Sequence[str]]
"""The fields of a form as they were posted: by name, each with its values."""

MODE: Final = "mode"
_ROOT: Final = "f"
_RAW: Final = "json"
_SHORT: Final = 100
_MISSING: Final = object()
_NUMBER_BOUNDS: Final = {"minimum": "min", "maximum": "max"}
_TEXT_BOUNDS: Final = {"minLength": "minlength", "maxLength": "maxlength"}
_FORMATS: Final = {"email": "email", "date": "date", "uri": "url", "date-time": "text"}
_HINTS: Final = {"date-time": "2026-01-31T12:00:00Z"}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form.

    Attributes:
        name: Its name in the form.
        path: Its path in the value, as a problem's details name it; empty for the whole value.
        label: What it is called.
        kind: `input`, `text` (several lines), `choice`, `lines` (a list, one a line), `json` or
            `group` (of further fields).
        required: Whether it may not be left out.
        description: What the schema says of it.
        attributes: The attributes of its HTML element beside name and value.
        choices: What may be chosen: each value as JSON, and as it is shown.
        blank: What a choice shows while nothing is chosen.
        text: What it holds.
        fields: The fields of a group.
        error: What is wrong with it; empty if nothing is.
    """

    name: str
    path: str
    label: str
    kind: str
    required: bool
    description: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    choices: tuple[tuple[str, str], ...] = ()
    blank: str = ""
    text: str = ""
    fields: tuple["Field", ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """A form.

    Attributes:
        fields: Its fields. One JSON field where it is raw.
        is_raw: Whether the whole value is edited as JSON.
        can_switch: Whether it can also be shown the other way.
        errors: What is wrong with no field that it has.
    """

    fields: tuple[Field, ...]
    is_raw: bool = False
    can_switch: bool = True
    errors: tuple[str, ...] = ()


def blank_form(schema: Any, *, is_raw: bool = False) -> Form:
    """A form for a new value.

    Args:
        schema: The value's JSON Schema; None for any value.
        is_raw: Whether to edit the value as JSON.
    """
    shape = shape_of(schema)
    if is_raw or shape.kind == "json":
        return _raw_form(_example(shape), can_switch=shape.kind != "json")
    return Form(tuple(_fields(shape, lambda _: "")))


def filled_form(schema: Any, value: Any, *, is_raw: bool = False) -> Form:
    """A form that holds a value; as JSON where nothing else holds it exactly."""
    shape = shape_of(schema)
    if not is_raw and shape.kind != "json":
        posted: dict[str, Sequence[str]] = {}
        _fill(shape, _ROOT, value, posted)
        read, problems = read_form(schema, posted)
        is_kept = all(_is_plain(texts[0]) for texts in posted.values())
        if is_kept and not problems and is_same(read, value):
            return Form(tuple(_fields(shape, _from(posted))))
    return _raw_form(_pretty(value), can_switch=shape.kind != "json")


def read_form(schema: Any, posted: Posted) -> tuple[Any, list[Detail]]:
    """The value that a posted form stands for.

    Args:
        schema: The value's JSON Schema; None for any value.
        posted: The form's fields.

    Returns:
        The value, and what is wrong with single fields, by their paths. The value counts only where
        nothing is wrong.
    """
    shape = shape_of(schema)
    problems: list[Detail] = []
    if posted.get(MODE, [""])[0] == "raw" or shape.kind == "json":
        shape = replace(shape, kind="json")
        value = _read(shape, _RAW, "", posted, problems)
    else:
        value = _read(shape, _ROOT, "", posted, problems)
    if value is _MISSING:
        value = _blank(shape)
    if value is _MISSING:
        _refuse("", "is required", problems)
    return (None if value is _MISSING else value), problems


def read_object(schema: Any, posted: Posted) -> tuple[dict[str, Any], list[Detail]]:
    """The object that a posted form stands for, as `read_form` reads it."""
    value, problems = read_form(schema, posted)
    if isinstance(value, dict) or problems:
        return value, problems
    return {}, [{"field": "", "message": "must be an object"}]


def is_same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON; Python takes 1, 1.0 and True for the same."""
    return _compact(one) == _compact(other)


def with_problems(schema: Any, posted: Posted, problems: Iterable[Detail], root: str) -> Form:
    """The form as it was posted, with what is wrong at its fields.

    Args:
        schema: The value's JSON Schema.
        posted: The form's fields.
        problems: What is wrong.
        root: What the problems' paths call the value, as `input_data`.
    """
    shape = shape_of(schema)
    if posted.get(MODE, [""])[0] == "raw" or shape.kind == "json":
        form = _raw_form(_from(posted)(_RAW), can_switch=shape.kind != "json")
    else:
        form = Form(tuple(_fields(shape, _from(posted))))
    wrong: dict[str, str] = {}
    for problem in problems:
        path = problem["field"]
        path = "" if path == root else path.removeprefix(f"{root}.")
        wrong.setdefault(path, problem["message"])
    fields = tuple(_marked(one, wrong) for one in form.fields)
    errors = tuple(f"{path}: {message}" if path else message for path, message in wrong.items())
    return replace(form, fields=fields, errors=errors)


def _marked(one: Field, wrong: dict[str, str]) -> Field:
    inner = tuple(_marked(part, wrong) for part in one.fields)
    below = f"{one.path}."
    found = [wrong.pop(one.path, "")] if one.path or one.kind != "group" else []
    if one.kind != "group":
        # A list's items, or the parts of a value in JSON, have no field of their own.
        paths = [path for path in wrong if path.startswith(below) or not one.path]
        found += [f"{path}: {wrong.pop(path)}" for path in paths]
    return replace(one, fields=inner, error="; ".join(filter(None, found)))


def _raw_form(text: str, *, can_switch: bool) -> Form:
    whole = Field(_RAW, "", "JSON", "json", required=True, text=text)
    return Form((whole,), is_raw=True, can_switch=can_switch)


def _from(posted: Posted) -> Callable[[str], str]:
    return lambda name: next(iter(posted.get(name, ())), "")


def _fields(shape: Shape, text_of: Callable[[str], str]) -> Iterable[Field]:
    if shape.kind != "group":
        yield _field(shape, _ROOT, "", "Value", text_of, required=True)
        return
    for name, part in shape.parts.items():
        inner = _join(_ROOT, name)
        yield _field(part, inner, name, name, text_of, required=name in shape.required)


def _field(
    shape: Shape,
    name: str,
    path: str,
    label: str,
    text_of: Callable[[str], str],
    *,
    required: bool,
) -> Field:
    made = Field(
        name=name,
        path=path,
        label=shape.title or label,
        kind=_element(shape),
        required=required and not shape.is_nullable,
        description=shape.description,
        attributes=_attributes(shape),
        choices=tuple((_compact(choice), _shown(choice)) for choice in shape.choices),
        blank=_blank_choice(shape, required=required),
        text=text_of(name),
    )
    if shape.kind != "group":
        return made
    inner = (
        _field(
            part,
            _join(name, key),
            f"{path}.{key}",
            key,
            text_of,
            required=required and key in shape.required,
        )
        for key, part in shape.parts.items()
    )
    return replace(made, fields=tuple(inner))


def _blank_choice(shape: Shape, *, required: bool) -> str:
    if _has_default(shape):
        return f"{_shown(shape.default)}, by default"
    return "choose…" if required and not shape.is_nullable else "—"


def _has_default(shape: Shape) -> bool:
    """Whether there is a default worth telling."""
    return shape.default not in (None, "", [], {})


def _element(shape: Shape) -> str:
    if shape.kind == "string":
        is_short = shape.bounds.get("maxLength", math.inf) <= _SHORT
        return "input" if is_short or shape.format in _FORMATS else "text"
    kinds = {"integer": "input", "number": "input", "list": "lines"}
    return kinds.get(shape.kind, shape.kind)


def _attributes(shape: Shape) -> dict[str, str]:
    found: dict[str, str] = {}
    if shape.kind in {"integer", "number"}:
        found = {"type": "number", "step": "1" if shape.kind == "integer" else "any"}
        found |= _bounds(shape, _NUMBER_BOUNDS)
    elif shape.kind == "string":
        found = _bounds(shape, _TEXT_BOUNDS)
        if _element(shape) == "input":
            found["type"] = _FORMATS.get(shape.format, "text")
        if shape.format in _HINTS:
            found["placeholder"] = _HINTS[shape.format]
    if _has_default(shape) and shape.kind != "group" and not shape.choices:
        found["placeholder"] = f"{_shown(shape.default)} by default"
    return found


def _bounds(shape: Shape, names: Mapping[str, str]) -> dict[str, str]:
    return {html: str(shape.bounds[name]) for name, html in names.items() if name in shape.bounds}


def _fill(shape: Shape, name: str, value: Any, posted: dict[str, Sequence[str]]) -> None:
    """Put a value into fields, as well as they can hold it."""
    if value is _MISSING or (value is None and shape.is_nullable):
        return
    if shape.kind == "group":
        for key, part in shape.parts.items():
            inner = value.get(key, _MISSING) if isinstance(value, dict) else _MISSING
            _fill(part, _join(name, key), inner, posted)
    elif shape.kind == "list" and isinstance(value, list) and shape.item is not None:
        posted[name] = ["\n".join(_line(shape.item, item) for item in value)]
    elif shape.kind == "string" and isinstance(value, str):
        # A browser takes these off what has one line only.
        posted[name] = [" ".join(value.split()) if _element(shape) == "input" else value]
    elif shape.kind == "json":
        posted[name] = [_pretty(value)]
    else:
        posted[name] = [_compact(value)]


def _line(shape: Shape, item: Any) -> str:
    return item if shape.kind == "string" and isinstance(item, str) else _compact(item)


def _read(shape: Shape, name: str, path: str, posted: Posted, problems: list[Detail]) -> Any:
    if shape.kind == "group":
        return _read_group(shape, name, path, posted, problems)
    text = _from(posted)(name).replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip() and not (text and shape.kind == "string"):
        return _MISSING
    if shape.kind == "list" and shape.item is not None:
        lines = [line for line in text.split("\n") if line.strip()]
        return [_scalar(shape.item, line, path, problems) for line in lines]
    return _scalar(shape, text, path, problems)


def _read_group(shape: Shape, name: str, path: str, posted: Posted, problems: list[Detail]) -> Any:
    found: dict[str, Any] = {}
    for key, part in shape.parts.items():
        inner = f"{path}.{key}" if path else key
        is_group = part.kind == "group"
        value = _read(part, _join(name, key), inner, posted, problems)
        if key in shape.required and (value is _MISSING or (is_group and not value)):
            value = _blank(part)
        if value is _MISSING or (is_group and not value and key not in shape.required):
            continue
        found[key] = value
    return found


def _blank(shape: Shape) -> Any:
    """What a required field that was left blank stands for: nothing, unless that is a value."""
    if shape.is_nullable:
        return None
    return {"string": "", "list": [], "group": {}}.get(
        "json" if shape.choices or shape.format else shape.kind, _MISSING
    )


def _scalar(shape: Shape, text: str, path: str, problems: list[Detail]) -> Any:
    if shape.kind == "string":
        return text
    try:
        value = parse_json(text.strip().encode())
    except (InvalidRequest, UnicodeEncodeError) as error:
        message = error.details[0]["message"] if isinstance(error, InvalidRequest) else str(error)
        expected = {"integer": "must be an integer", "number": "must be a number"}
        return _refuse(path, expected.get(shape.kind, message), problems)
    return value


def _refuse(path: str, message: str, problems: list[Detail]) -> None:
    problems.append({"field": path, "message": message})


def _join(name: str, key: str) -> str:
    return f"{name}/{key.replace('~', '~0').replace('/', '~1')}"


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _pretty(value: Any) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return text if _is_plain(text) else json.dumps(value, indent=2)


def _is_plain(text: str) -> bool:
    """Whether a page can carry a text as it is."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _compact(value)


def _example(shape: Shape) -> str:
    """A value to begin with: what is required, with its defaults."""
    if shape.has_default:
        return _pretty(shape.default)
    if shape.kind != "group":
        return "{}" if shape.is_object else ""
    return _pretty(
        {
            key: part.default if part.has_default else None
            for key, part in shape.parts.items()
            if key in shape.required or part.has_default
        }
    )
