"""Scalars that count their own multiplications and additions: the independent witness of every cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jacobians.structures import Jacobian


class Tally:
    """What all counting scalars have done together."""

    multiplications = 0
    additions = 0

    @classmethod
    def reset(cls) -> None:
        cls.multiplications = cls.additions = 0


class Counting:
    """A number that counts each product and each sum that it takes part in."""

    __slots__ = ("value",)

    def __init__(self, value: float) -> None:
        self.value = float(value)

    def __mul__(self, other: Any) -> Counting:
        Tally.multiplications += 1
        return Counting(self.value * _value(other))

    __rmul__ = __mul__

    def __add__(self, other: Any) -> Counting:
        Tally.additions += 1
        return Counting(self.value + _value(other))

    __radd__ = __add__

    def __neg__(self) -> Counting:
        return Counting(-self.value)

    def __lt__(self, other: Any) -> bool:
        return self.value < _value(other)

    def __float__(self) -> float:
        return self.value


def _value(other: Any) -> float:
    return other.value if isinstance(other, Counting) else float(other)


def counting_array(array: Any) -> Any:
    """Return an object array of counting scalars with the values of `array`."""
    made = np.empty(np.shape(array), dtype=object)
    for index in np.ndindex(*np.shape(array)):
        made[index] = Counting(array[index])
    return made


def counting(jacobian: Jacobian) -> Jacobian:
    """Return the same Jacobian with counting scalars for numbers."""
    arrays = {
        name: array if array.dtype.kind == "i" else counting_array(array)
        for name, array in jacobian.flatten().items()
    }
    static = jacobian.static.changed(dtype=np.dtype(object))
    return jacobian.unflatten(jacobian.spec, arrays, static)


def values(array: Any) -> Any:
    """Return the numbers of an object array."""
    return np.vectorize(float, otypes=[float])(array)


@pytest.fixture
def counting_constants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the zeros and ones that structures make for object arrays count, too."""
    for name in ("zeros", "ones", "eye"):
        original = getattr(np, name)

        def counting_version(*args: Any, original: Any = original, **options: Any) -> Any:
            made = original(*args, **options)
            return counting_array(made) if made.dtype == object else made

        monkeypatch.setattr(np, name, counting_version)
