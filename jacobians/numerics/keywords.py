"""Keyword arguments that a door hands on: an unknown one is refused in the door's name, not an inner function's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jacobians.numerics.arguments import near


def checked_keywords(options: Mapping[str, Any], door: str, known: Iterable[str], more: str = "") -> None:
    """Refuse what isn't among the known names, with the nearest one named.

    Parameters
    ----------
    options : mapping of str to object
        What was given by keyword.
    door : str
        The function's name, as its caller writes it.
    known : iterable of str
        The names that are let in.
    more : str
        What else is let in, for the sentence.

    Raises
    ------
    TypeError
        If there is another name.

    Examples
    --------
    >>> checked_keywords({"batch": True}, "compile", ("form", "batched"))
    Traceback (most recent call last):
    ...
    TypeError: compile: found an argument named 'batch', expected one of 'form', 'batched'; did you mean 'batched'?
    """
    names = tuple(known)
    for name in options:
        if name not in names:
            raise TypeError(
                f"{door}: found an argument named {name!r}, expected one of {', '.join(map(repr, names))}{more}"
                f"{near(name, names)}"
            )


def keywords_of(function: Callable[..., Any], *without: str) -> list[str]:
    """Return the names of what a function takes by keyword alone, in its own order, without some.

    Examples
    --------
    >>> keywords_of(sorted)
    ['key', 'reverse']
    """
    parameters = inspect.signature(function).parameters.values()
    return [one.name for one in parameters if one.kind is one.KEYWORD_ONLY and one.name not in without]
