"""What a form can make of a JSON Schema: a tree of simple shapes. Pure."""

from dataclasses import dataclass, field, replace
from typing import Any, Final

__all__ = ["Shape", "schema_like", "shape_of"]

_SCALARS: Final = frozenset({"string", "integer", "number"})
_BOUNDS: Final = frozenset({"minimum", "maximum", "minLength", "maxLength"})
_COMPOUND: Final = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "patternProperties"})
_MANY_CHOICES: Final = 200
_MANY_FIELDS: Final = 60
_LONGEST_CHAIN: Final = 20
_DEEPEST: Final = 2
_MISSING: Final = object()


@dataclass(frozen=True, slots=True)
class Shape:
    """What a form makes of a schema.

    Attributes:
        kind: `string`, `integer`, `number`, `choice`, `list` (of scalars), `group` (an
            object of a known few fields), or `json` for all else.
        title: What the schema calls it; empty if nothing.
        description: What it says of it.
        format: A string's format.
        is_nullable: Whether null will do.
        is_object: Whether the value is an object, for one of kind `json`.
        has_default: Whether it has a default.
        default: The default.
        choices: What may be chosen, for a choice.
        bounds: Bounds that HTML knows too, by the schema's names.
        item: What a list's items are.
        parts: A group's fields.
        required: Those of them that may not be left out.
    """

    kind: str
    title: str = ""
    description: str = ""
    format: str = ""
    is_nullable: bool = False
    is_object: bool = False
    has_default: bool = False
    default: Any = None
    choices: tuple[Any, ...] = ()
    bounds: dict[str, Any] = field(default_factory=dict)
    item: "Shape | None" = None
    parts: "dict[str, Shape]" = field(default_factory=dict)
    required: frozenset[str] = frozenset()


def shape_of(schema: Any) -> Shape:
    """What a form makes of a JSON Schema.

    Args:
        schema: The schema; None for any value. One that is no good makes a `json` shape.

    Example:
        >>> shape_of({"type": "integer", "minimum": 1}).bounds
        {'minimum': 1}
    """
    return _shape(schema, schema, depth=0)


def schema_like(value: Any) -> dict[str, Any]:
    """A schema of values like one: an object with these fields, of these kinds."""
    if isinstance(value, dict):
        properties = {name: schema_like(part) for name, part in value.items()}
        return {"type": "object", "properties": properties, "required": list(value)}
    if isinstance(value, list):
        items = [schema_like(item) for item in value]
        is_alike = items and all(item == items[0] for item in items)
        return {"type": "array", "items": items[0]} if is_alike else {}
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return {"type": kinds[type(value)]} if type(value) in kinds else {}


def _shape(schema: Any, document: Any, depth: int) -> Shape:
    schema = _resolved(schema, document)
    if not isinstance(schema, dict):
        return Shape("json")
    schema, is_nullable = _without_null(schema, document)
    common = Shape(
        "json",
        title=_text(schema.get("title")),
        description=_text(schema.get("description")),
        is_nullable=is_nullable,
        is_object=schema.get("type") == "object",
        has_default="default" in schema,
        default=schema.get("default"),
    )
    kind, choices = schema.get("type"), _choices(schema)
    if _COMPOUND & schema.keys():
        return common
    if choices:
        return replace(common, kind="choice", choices=choices)
    if isinstance(kind, str) and kind in _SCALARS:
        bounds = {key: value for key, value in schema.items() if _is_bound(key, value)}
        return replace(common, kind=kind, format=_text(schema.get("format")), bounds=bounds)
    if kind == "array":
        return _list(common, schema, document, depth)
    return _group(common, schema, document, depth)


def _list(common: Shape, schema: dict[str, Any], document: Any, depth: int) -> Shape:
    # Lists of lists are JSON anyway; a schema that refers to itself has no last one.
    if depth > _DEEPEST:
        return common
    item = _shape(schema.get("items"), document, depth + 1)
    is_plain = item.kind in _SCALARS and not item.is_nullable and "prefixItems" not in schema
    return replace(common, kind="list", item=item) if is_plain else common


def _group(common: Shape, schema: dict[str, Any], document: Any, depth: int) -> Shape:
    """An object of known fields; one within another's may have no further one within it."""
    properties = schema.get("properties")
    if not isinstance(properties, dict) or not 0 < len(properties) <= _MANY_FIELDS:
        return common
    # What an object is by default, fields of their own could not tell.
    if not common.is_object or depth >= _DEEPEST or common.default:
        return common
    required = schema.get("required")
    return replace(
        common,
        kind="group",
        parts={name: _shape(part, document, depth + 1) for name, part in properties.items()},
        required=frozenset(filter(properties.__contains__, required or ())),
    )


def _resolved(schema: Any, document: Any) -> Any:
    """A schema with its references within the document followed, and what stands beside them."""
    for _ in range(_LONGEST_CHAIN):
        if not isinstance(schema, dict):
            return schema
        beside = dict(schema)
        parts = beside.get("allOf")
        if "$ref" in beside:
            target = _at(document, beside.pop("$ref"))
        elif isinstance(parts, list) and len(parts) == 1:
            target = beside.pop("allOf")[0]
        else:
            return schema
        if not isinstance(target, dict):
            return None
        # What is referred to is titled as a type, not as this field.
        schema = {**target, "title": None, **beside}
    return None


def _at(document: Any, reference: Any) -> Any:
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    found = document
    for part in reference[1:].split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _without_null(schema: dict[str, Any], document: Any) -> tuple[dict[str, Any], bool]:
    """A schema that is this or null as just this."""
    kinds, options = schema.get("type"), schema.get("anyOf")
    if isinstance(kinds, list) and "null" in kinds:
        others = [kind for kind in kinds if kind != "null"]
        return {**schema, "type": others[0] if len(others) == 1 else others}, True
    if isinstance(options, list) and {"type": "null"} in options:
        others = [_resolved(one, document) for one in options if one != {"type": "null"}]
        if len(others) == 1 and isinstance(others[0], dict):
            beside = {key: value for key, value in schema.items() if key != "anyOf"}
            return {**others[0], **beside}, True
    return schema, False


def _choices(schema: dict[str, Any]) -> tuple[Any, ...]:
    if schema.get("type") == "boolean":
        return (True, False)
    if "const" in schema:
        return (schema["const"],)
    found = schema.get("enum")
    if isinstance(found, list) and 0 < len(found) <= _MANY_CHOICES:
        return tuple(found)
    return ()


def _is_bound(key: str, value: Any) -> bool:
    return key in _BOUNDS and isinstance(value, int | float)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
