"""What a function returned, as the arrays that were asked for: the same for submissions and for references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

LONGEST_TEXT = 2000


class RefusalError(Exception):
    """What was returned is not what was asked for; the argument is one of the words of `answers.py`."""


def parts_of(value: Any, names: Sequence[str]) -> list[Any]:
    """Return the values of several names: of a tuple or list by place, of a dict by key, deeper ones after a dot.

    Parameters
    ----------
    value : object
        What a function returned.
    names : sequence of str
        What it should return; "grads.W" is the entry "W" of what stands at the place of "grads". None of them, and
        the value itself is the one part.

    Returns
    -------
    list
        A part, or the RefusalError that says why there is none, for each name.

    Examples
    --------
    >>> parts_of((1.0, {"W": 2.0, "b": 3.0}), ["loss", "grads.W", "grads.b"])
    [1.0, 2.0, 3.0]
    >>> parts_of({"dx": 1.0}, ["dx", "dw"])
    [1.0, RefusalError('key dw')]
    >>> parts_of((1.0,), ["dx", "dw"])
    [RefusalError('count 1'), RefusalError('count 1')]
    """
    if not names:
        return [value]
    tops = list(dict.fromkeys(name.partition(".")[0] for name in names))
    if isinstance(value, Mapping):
        places: Mapping[str, Any] = value
    elif isinstance(value, tuple | list):
        if len(value) != len(tops):
            return [RefusalError(f"count {len(value)}") for _ in names]
        places = dict(zip(tops, value, strict=True))
    elif len(tops) == 1:
        places = {tops[0]: value}
    else:
        return [RefusalError("none" if value is None else "single") for _ in names]
    return [_inside(places, name) for name in names]


def _inside(value: Any, name: str) -> Any:
    for key in name.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return RefusalError(f"key {name}")
        value = value[key]
    return value


def text_of(value: Any) -> bytes:
    """Return a text that a submission returned, where text was asked for.

    Raises
    ------
    RefusalError
        If it is something else, or very long.
    """
    if isinstance(value, RefusalError):
        raise value
    if not isinstance(value, str):
        raise RefusalError("none" if value is None else "no text")
    if len(value) > LONGEST_TEXT:
        raise RefusalError("large")
    return value.encode("utf-8", "replace")


def numbers_of(value: Any, accept_lists: bool = False) -> np.ndarray[Any, Any]:
    """Return what a submission returned as an array of float32 or float64.

    Parameters
    ----------
    value : object
        An array, or a number, which is an array without axes.
    accept_lists : bool
        Whether lists and tuples of numbers are arrays.

    Raises
    ------
    RefusalError
        With one word: none, masked, matrix, list, ragged, string, object, complex, or the name of the type.

    Examples
    --------
    >>> numbers_of(np.array([1, 2]))
    array([1., 2.])
    >>> numbers_of([1, 2])
    Traceback (most recent call last):
    ...
    verification.grading.containment.returned.RefusalError: list
    """
    if isinstance(value, RefusalError):
        raise value
    if value is None:
        raise RefusalError("none")
    if isinstance(value, np.ma.MaskedArray):
        raise RefusalError("masked")
    if isinstance(value, np.matrix):
        raise RefusalError("matrix")
    if isinstance(value, list | tuple) and not accept_lists:
        raise RefusalError("list")
    if isinstance(value, str | bytes):
        raise RefusalError("string")
    if not isinstance(value, np.ndarray | np.generic | list | tuple | bool | int | float | complex):
        raise RefusalError(f"type {type(value).__name__}"[:100])
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        raise RefusalError("ragged") from None
    kind = array.dtype.kind
    if kind not in "biuf":
        raise RefusalError(
            {"O": "object", "U": "string", "S": "string", "c": "complex"}.get(kind, f"type {array.dtype}")
        )
    small = kind == "f" and array.dtype.itemsize <= 4
    return np.ascontiguousarray(array, dtype="<f4" if small else "<f8").reshape(array.shape)
