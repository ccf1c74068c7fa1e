"""Forms made of schemas, and read again."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field, TypeAdapter

from moderately.web.forms import Form, Posted, blank_form, filled_form, read_form, with_problems

POINT = {
    "type": "object",
    "title": "Point",
    "properties": {"x": {"type": "integer"}, "label": {"type": "string", "maxLength": 20}},
    "required": ["x"],
}
SCHEMA = {
    "type": "object",
    "$defs": {"Point": POINT},
    "properties": {
        "question": {"type": "string", "description": "What to ask."},
        "point": {"$ref": "#/$defs/Point"},
        "times": {"type": "integer", "default": 1, "minimum": 1, "maximum": 9},
        "tags": {"type": "array", "items": {"type": "string"}},
        "colour": {"enum": ["red", "green", None]},
        "loud": {"anyOf": [{"type": "boolean"}, {"type": "null"}], "default": None},
        "rows": {"type": "array", "items": {"$ref": "#/$defs/Point"}},
        "at": {"type": "string", "format": "date-time"},
    },
    "required": ["question", "point"],
}


def posted(form: Form) -> Posted:
    """What a browser sends of a form."""
    found: dict[str, list[str]] = {"mode": ["raw" if form.is_raw else "form"]}

    def visit(fields: Any) -> None:
        for field in fields:
            if field.kind == "group":
                visit(field.fields)
            else:
                text = field.text.replace("\r\n", "\n").replace("\r", "\n")
                if field.kind == "input":
                    text = text.replace("\n", "").strip()
                text.encode()
                assert "\0" not in text
                found[field.name] = [text.replace("\n", "\r\n")]

    visit(form.fields)
    return found


def by_name(form: Form) -> dict[str, Any]:
    return {field.name: field for field in form.fields}


def test_a_schema_makes_fields_with_their_bounds_marks_and_words() -> None:
    fields = by_name(blank_form(SCHEMA))
    assert {name: field.kind for name, field in fields.items()} == {
        "f/question": "text",
        "f/point": "group",
        "f/times": "input",
        "f/tags": "lines",
        "f/colour": "choice",
        "f/loud": "choice",
        "f/rows": "json",
        "f/at": "input",
    }
    assert fields["f/question"].required
    assert fields["f/question"].description == "What to ask."
    assert fields["f/times"].attributes == {
        "type": "number",
        "step": "1",
        "min": "1",
        "max": "9",
        "placeholder": "1 by default",
    }
    assert fields["f/colour"].choices == (('"red"', "red"), ('"green"', "green"), ("null", "null"))
    assert fields["f/loud"].choices == (("true", "yes"), ("false", "no"))
    x, label = fields["f/point"].fields
    assert (x.name, x.path, x.required) == ("f/point/x", "point.x", True)
    assert label.attributes == {"maxlength": "20", "type": "text"}


def test_what_is_left_blank_is_left_out() -> None:
    form = {"f/question": [""], "f/point/x": ["3"], "f/times": [""], "f/tags": [" \r\n"]}
    assert read_form(SCHEMA, form) == ({"question": "", "point": {"x": 3}}, [])


def test_what_cannot_be_read_is_told_at_its_field() -> None:
    form = {"f/point/x": ["three"], "f/rows": ["[1,"], "f/question": ["why?"]}
    _, problems = read_form(SCHEMA, form)
    assert [problem["field"] for problem in problems] == ["point.x", "rows"]
    shown = by_name(with_problems(SCHEMA, form, problems, "input_data"))
    assert shown["f/point"].fields[0].error == "must be an integer"
    assert shown["f/point"].fields[0].text == "three"
    assert "is not JSON" in shown["f/rows"].error
    assert shown["f/question"].text == "why?"


def test_what_the_service_refuses_is_told_at_its_field() -> None:
    wrong = [
        {"field": "input_data.point.x", "message": "is required"},
        {"field": "input_data.tags.3", "message": "is too long"},
        {"field": "input_data.question", "message": "no"},
        {"field": "input_data.other", "message": "what?"},
        {"field": "input_data", "message": "bad"},
    ]
    form = with_problems(SCHEMA, {}, wrong, "input_data")  # type: ignore[arg-type]
    shown = by_name(form)
    assert shown["f/point"].fields[0].error == "is required"
    assert shown["f/tags"].error == "tags.3: is too long"
    assert shown["f/question"].error == "no"
    assert form.errors == ("other: what?", "bad")
    raw = with_problems(SCHEMA, {"mode": ["raw"], "json": ["{"]}, wrong, "input_data")  # type: ignore[arg-type]
    assert raw.is_raw
    assert "point.x: is required" in raw.fields[0].error


def test_a_value_that_is_no_object_is_one_field() -> None:
    assert read_form({"type": "integer"}, {"f": ["7"]}) == (7, [])
    assert read_form({"type": "string"}, {"f": [""]}) == ("", [])
    assert read_form({"type": "integer"}, {})[1] == [{"field": "", "message": "is required"}]
    [field] = with_problems(
        {"type": "integer"}, {"f": ["x"]}, [{"field": "value", "message": "no"}], "value"
    ).fields
    assert (field.error, field.text) == ("no", "x")


@pytest.mark.parametrize("schema", [None, {}, {"type": "object"}, {"$ref": "#/nowhere"}, True, 3])
def test_any_value_is_edited_as_json_where_a_schema_says_no_more(schema: Any) -> None:
    form = blank_form(schema)
    assert form.is_raw
    assert not form.can_switch
    assert read_form(schema, {"json": ['{"a": [1]}']}) == ({"a": [1]}, [])


def test_a_reference_that_leads_nowhere_or_in_circles_is_edited_as_json() -> None:
    loop = {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}
    assert blank_form(loop).is_raw
    tree: dict[str, Any] = {"type": "object", "properties": {"left": {"$ref": "#"}}}
    left = blank_form(tree).fields[0]
    assert (left.kind, left.fields[0].kind) == ("group", "json")


def test_schemas_of_pydantic_make_fields() -> None:
    class Inner(BaseModel):
        size: float = Field(gt=0, description="In metres.")

    class Outer(BaseModel):
        name: str
        inner: Inner
        maybe: Inner | None = None
        count: int | None = None

    schema = TypeAdapter(Outer).json_schema()
    kinds = {field.label: field.kind for field in blank_form(schema).fields}
    assert kinds == {"Name": "text", "inner": "group", "maybe": "group", "Count": "input"}
    assert blank_form(schema).fields[1].fields[0].description == "In metres."
    value = {"name": "a", "inner": {"size": 1.5}}
    form = filled_form(schema, value)
    assert not form.is_raw
    assert read_form(schema, posted(form)) == (value, [])


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
names = st.text(min_size=1, max_size=8).filter(lambda name: name.isprintable())
lines = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1).filter(
    lambda text: text.strip() == text
)
scalars: dict[str, st.SearchStrategy[Any]] = {
    "string": lines,
    "integer": st.integers(),
    "number": st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
    "boolean": st.booleans(),
}


@st.composite
def leaves(draw: st.DrawFn) -> tuple[dict[str, Any], st.SearchStrategy[Any]]:
    kind = draw(st.sampled_from([*scalars, "enum", "list"]))
    if kind == "enum":
        choices = draw(st.lists(st.one_of(texts, st.integers()), min_size=1, max_size=4))
        return {"enum": choices}, st.sampled_from(choices)
    if kind == "list":
        item = draw(st.sampled_from(["string", "integer", "number"]))
        listed = st.lists(scalars[item], min_size=1, max_size=4)
        return {"type": "array", "items": {"type": item}}, listed
    return {"type": kind}, scalars[kind]


@st.composite
def objects(draw: st.DrawFn, depth: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """A schema of the supported kind, and a value that fits it."""
    properties, value = {}, {}
    required = []
    for name in draw(st.lists(names, min_size=1, max_size=4, unique=True)):
        if depth == 0 and draw(st.booleans()):
            properties[name], inner = draw(objects(depth=1))
            required.append(name)
            value[name] = inner
            continue
        properties[name], given_values = draw(leaves())
        if draw(st.booleans()):
            required.append(name)
        if name in required or draw(st.booleans()):
            value[name] = draw(given_values)
    return {"type": "object", "properties": properties, "required": required}, value


@given(objects())
def test_a_form_filled_with_a_value_gives_that_value(
    made: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    schema, value = made
    assume(Draft202012Validator(schema).is_valid(value))
    form = filled_form(schema, value)
    assert not form.is_raw
    read, problems = read_form(schema, posted(form))
    assert (json.dumps(read, sort_keys=True), problems) == (json.dumps(value, sort_keys=True), [])


anything = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers()),
        *(st.floats(allow_nan=False, allow_infinity=False), texts),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
)


@given(objects(), anything)
def test_a_form_holds_any_value_even_one_that_does_not_fit(
    made: tuple[dict[str, Any], dict[str, Any]], value: Any
) -> None:
    schema, fitting = made
    for one in (value, {**fitting, "more": value}, dict.fromkeys(fitting, value)):
        read, problems = read_form(schema, posted(filled_form(schema, one)))
        assert problems == []
        assert json.dumps(read, sort_keys=True) == json.dumps(one, sort_keys=True)


@given(anything, st.dictionaries(st.text(), st.lists(st.text(), max_size=2)))
def test_no_schema_and_no_form_is_too_odd(schema: Any, form: Posted) -> None:
    blank_form(schema)
    blank_form({"type": "object", "properties": schema, "required": schema})
    _, problems = read_form(schema, form)
    with_problems(schema, form, problems, "value")


def test_a_list_of_lists_of_itself_is_edited_as_json() -> None:
    nested = {"type": "array", "items": {"$ref": "#/$defs/Nested"}}
    schema = {
        "type": "object",
        "properties": {"nested": {"$ref": "#/$defs/Nested"}},
        "$defs": {"Nested": nested},
    }
    [field] = blank_form(schema).fields
    assert field.kind == "json"
