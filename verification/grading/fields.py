"""Tables of an assignment as models: one source for what is accepted, for the error sentences, and for the schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, ValidationError
from pydantic_core import PydanticCustomError

from jacobians.equality import ByValue
from jacobians.numerics.arguments import near

LONGEST = 60
_NAME = r"^[^\W\d]\w*$"


class AssignmentError(ValueError):
    """The assignment is not one; the message names the place, what was found, what was expected."""


class Table(ByValue, BaseModel):
    """A table of TOML: every key has a type and bounds, and an unknown one is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=False)


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise refusal("every name once")
    return names


Text = Annotated[str, Field(pattern=r"\S")]
Name = Annotated[str, Field(pattern=_NAME)]
Names = Annotated[tuple[Name, ...], Strict(False), AfterValidator(_once)]


def refusal(expected: str, *place: str | int, whole: bool = False) -> PydanticCustomError:
    """Return the error for a value that is not what it should be, to be raised by a validator.

    Parameters
    ----------
    expected : str
        What was expected, with the way out; or, if `whole`, the sentence from the word "found" on.
    *place : str or int
        The way from what is validated to what is wrong.
    whole : bool
        Whether `expected` says what was found, too.
    """
    # the message is a template of pydantic's, so that the sentence goes in as data
    return PydanticCustomError(
        "assignment", "{sentence}", {"sentence": expected, "place": list(place), "whole": whole}
    )


def sentence_of(error: ValidationError, model: type[Table], table: object, file: str) -> str:
    """Return the first thing that is wrong, with its place, what was found, what was expected.

    Parameters
    ----------
    error : ValidationError
        What the model raised; its types and places are read, not its sentences.
    model : type
        The model, whose schema says what was expected.
    table : object
        What the TOML holds.
    file : str
        Its name, with which the sentence begins.

    Examples
    --------
    >>> class Point(Table):
    ...     marks: float = Field(1.0, ge=0, le=10)
    >>> for table in ({"mark": 1}, {"marks": -1}):
    ...     try:
    ...         Point.model_validate(table)
    ...     except ValidationError as error:
    ...         sentence_of(error, Point, table, "a.toml")
    "a.toml: found the key 'mark', expected none but 'marks'; did you mean 'marks'?"
    'a.toml: marks: found -1, expected a number of at least 0 and at most 10'
    """
    errors = error.errors(include_url=False)
    # a slip in a name comes first: what it should have been is missing, too
    unknown = [found for found in errors if found["type"] == "extra_forbidden"]
    first = min(unknown or errors[:1], key=lambda found: len(found["loc"]))
    context: dict[str, Any] = first.get("ctx", {})
    schema = model.model_json_schema()
    place = [*first["loc"], *context.get("place", ())]
    if unknown:
        node = _Walk(schema, table, file)
        node.follow(place[:-1])
        known, key = list(node.schema.get("properties", ())), str(place[-1])
        return f"{node.place}: found the key {key!r}, expected none but {', '.join(map(repr, known))}{near(key, known)}"
    node = _Walk(schema, table, file)
    node.follow(place)
    if context.get("whole"):
        return f"{node.place}: {context['sentence']}"
    expected = context.get("sentence") or _phrase(node.schema, node.root, node.key)
    return f"{node.place}: found {node.found}, expected {expected}"


class _Walk:
    """A way through a schema and the data beside it, and what to call where it ends."""

    def __init__(self, schema: dict[str, Any], data: object, file: str) -> None:
        self.root, self.schema, self.data = schema, schema, data
        self.place, self.key, self.missing = file, "", False
        self.separator = ": "

    @property
    def found(self) -> str:
        return "nothing" if self.missing else shown(self.data)

    def follow(self, steps: Sequence[str | int]) -> None:
        for step in steps:
            schema = resolved(self.schema, self.root)
            if isinstance(step, int):
                item = resolved(schema.get("items", {}), self.root)
                if not isinstance(self.data, list) or item.get("type") != "object":
                    return  # an entry of a list of words or numbers: the list is told
                self.data, self.schema = self.data[step], item
                name = self.data.get("name") if isinstance(self.data, dict) else None
                own = f" ({name})" if self.key == "function" and _is_name(name) else ""
                self.place = self.place.rpartition(self.separator)[0]
                separator = ", " if ": function " in self.place else ": "
                self.place += f"{separator}{self.key} {step + 1}{own}"
                continue
            inside = schema.get("properties", {}).get(step, schema.get("additionalProperties"))
            if not isinstance(inside, dict) and not isinstance(self.data, dict):
                return
            if schema is self.root and "properties" in resolved(inside or {}, self.root):
                self.place += f": [{step}]"
            else:
                self.place += f": {step}"
            self.separator, self.key = ": ", step
            self.schema = inside if isinstance(inside, dict) else {}
            known = isinstance(self.data, dict) and step in self.data
            self.missing = not known
            self.data = self.data[step] if isinstance(self.data, dict) and known else None


def resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """Return what a schema stands for: the definition that it refers to, and the choice that is not null."""
    if "$ref" in schema:
        return resolved(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    choices = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    return resolved(choices[0], root) if len(choices) == 1 else schema


def _phrase(schema: dict[str, Any], root: dict[str, Any], key: str) -> str:
    """Return in words what a schema accepts."""
    schema = resolved(schema, root)
    if "anyOf" in schema:
        return " or ".join(_phrase(choice, root, key) for choice in schema["anyOf"])
    if "enum" in schema:
        return f"one of {', '.join(map(repr, schema['enum']))}"
    least, above, most = (schema.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    kind = schema.get("type")
    if kind == "array":
        entry = resolved(schema.get("items", {}), root)
        if entry.get("type") == "object":
            return f"at least one [[{key}]]" if schema.get("minItems") else f"a list of tables [[{key}]]"
        named = "anyOf" in entry or entry.get("pattern") == _NAME  # a name alone stands for a table with it
        what = "name" if named else "text"
        return f"at least one {what}" if schema.get("minItems") else f"a list of {what}s"
    if kind == "string":
        return "a name as Python has them" if schema.get("pattern") == _NAME else "a text"
    if kind == "integer":
        return f"an integer from {least} to {most}"
    if kind == "number":
        return f"a number {f'of at least {least:g}' if above is None else f'above {above:g}'} and at most {most:g}"
    return {"boolean": "true or false", "object": "a table"}[str(kind)]


def _is_name(name: object) -> bool:
    return isinstance(name, str) and name.isidentifier()


def shown(value: object) -> str:
    """Return what was found, in one short line."""
    text = repr(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "…"
