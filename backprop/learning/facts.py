"""Plain facts out of JSON from anywhere: each is looked at before it is used."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from jacobians.numerics.arguments import shown


def read_facts(text: str) -> Any:
    """Return what a JSON text says.

    Raises
    ------
    ValueError
        If it is no JSON, is nested too deeply, has a key twice, or a number beyond the floats or of thousands of
        digits.

    Examples
    --------
    >>> read_facts('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ...
    ValueError: the key 'a' is in it twice
    """
    try:
        return json.loads(text, object_pairs_hook=_once, parse_float=_finite, parse_int=_integer)
    except json.JSONDecodeError:
        raise ValueError("its facts are no JSON") from None
    except RecursionError:
        raise ValueError("its facts are nested too deeply") from None


def fields(found: Any, what: str, names: Iterable[str]) -> dict[str, Any]:
    """Return facts after a look at their names.

    Raises
    ------
    ValueError
        If it is no JSON object of these names, each of them and no other.

    Examples
    --------
    >>> fields({"seed": 1}, "settings", ["seed", "momentum"])
    Traceback (most recent call last):
    ...
    ValueError: settings: momentum is missing
    """
    if not isinstance(found, dict):
        raise ValueError(f"{what}: {shown(found)} stands for named facts")
    expected = list(names)
    for name in expected:
        if name not in found:
            raise ValueError(f"{what}: {name} is missing")
    for name in found:
        if name not in expected:
            raise ValueError(f"{what}: {shown(name)} is no fact of a run")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {shown(name)} is in it twice")
        found[name] = value
    return found


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {shown(digits)} is beyond the floats")
    return number


def _integer(digits: str) -> int:
    if len(digits) > 100:
        raise ValueError(f"a number has {len(digits):,} digits")
    return int(digits)
