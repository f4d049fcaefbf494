"""Reading a table of an assignment: every field has a type and bounds, and an unknown one is an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jacobians.numerics.arguments import near, shown


class AssignmentError(ValueError):
    """The assignment is not one; the message names the place, what was found, what was expected."""


class Fields:
    """A table of TOML whose fields are taken out one by one.

    Parameters
    ----------
    table : object
        What the TOML holds there.
    place : str
        Where: every error begins with it.

    Examples
    --------
    >>> fields = Fields({"marks": 2, "mark": 1}, "point 1")
    >>> fields.number("marks", 1, least=0)
    2.0
    >>> fields.finish()
    Traceback (most recent call last):
    ...
    verification.grading.fields.AssignmentError: point 1: found the key 'mark', expected none but 'marks'...
    """

    def __init__(self, table: object, place: str) -> None:
        self.place = place
        if not isinstance(table, dict):
            raise AssignmentError(f"{place}: found {shown(table)}, expected a table")
        self.table: Mapping[str, Any] = table
        self.known: list[str] = []

    def has(self, key: str) -> bool:
        """Return whether there is such a field."""
        self.known.append(key)
        return key in self.table

    def refuse(self, key: str, expected: str, hint: str = "") -> AssignmentError:
        """Return the error for a field that is not what it should be."""
        found = shown(self.table[key]) if key in self.table else "nothing"
        return AssignmentError(f"{self.place}: {key}: found {found}, expected {expected}{hint}")

    def text(self, key: str, default: str | None = None, choices: Iterable[str] | None = None) -> str:
        """Return a text; None as default says that it must be there."""
        expected = "a text" if choices is None else f"one of {', '.join(map(repr, choices))}"
        if not self.has(key):
            if default is None:
                raise self.refuse(key, expected)
            return default
        value = self.table[key]
        if not isinstance(value, str) or (choices is not None and value not in choices) or not value.strip():
            hint = near(value, choices) if isinstance(value, str) and choices is not None else ""
            raise self.refuse(key, expected, hint)
        return value

    def name(self, key: str, default: str | None = None) -> str:
        """Return the name of a Python function or argument; an empty default says that it may be absent."""
        value = self.text(key, default)
        if value and not value.isidentifier():
            raise self.refuse(key, "a name as Python has them")
        return value

    def names(self, key: str, default: list[str] | None = None) -> tuple[str, ...]:
        """Return several names."""
        if not self.has(key) and default is not None:
            return tuple(default)
        value = self.table.get(key)
        if not isinstance(value, list) or not all(
            isinstance(name, str) and name.isidentifier() for name in value
        ):
            raise self.refuse(key, "a list of names")
        if len(set(value)) != len(value):
            raise self.refuse(key, "every name once")
        return tuple(value)

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self.table.get(key, default) if self.has(key) else default
        if not isinstance(value, bool):
            raise self.refuse(key, "true or false")
        return value

    def number(
        self, key: str, default: float, *, least: float, most: float = 1e9, above: bool = False
    ) -> float:
        """Return a number within bounds; `above` says that the lower one is excluded."""
        value = self.table.get(key, default) if self.has(key) else default
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        if not fits or not (least < value if above else least <= value) or not value <= most:
            raise self.refuse(
                key, f"a number {'above' if above else 'of at least'} {least:g} and at most {most:g}"
            )
        return float(value)

    def integer(self, key: str, default: int, *, least: int, most: int = 10**9) -> int:
        """Return an integer within bounds."""
        value = self.table.get(key, default) if self.has(key) else default
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.refuse(key, f"an integer from {least} to {most}")
        return value

    def tables(self, key: str) -> list[Any]:
        """Return an array of tables, which must not be empty."""
        value = self.table.get(key) if self.has(key) else None
        if not isinstance(value, list) or not value:
            raise self.refuse(key, f"at least one [[{key}]]")
        return value

    def table_of(self, key: str, default: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return a table as it is."""
        value = self.table.get(key, default) if self.has(key) else default
        if not isinstance(value, dict):
            raise self.refuse(key, "a table")
        return value

    def finish(self) -> None:
        """Raise if there is a field that nobody asked for.

        Raises
        ------
        AssignmentError
            With the nearest name that is known.
        """
        for key in self.table:
            if key not in self.known:
                names = ", ".join(map(repr, dict.fromkeys(self.known)))
                raise AssignmentError(
                    f"{self.place}: found the key {key!r}, expected none but {names}{near(key, self.known)}"
                )
