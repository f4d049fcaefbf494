"""What views show of an array: the numbers of its entries, as NumPy's functions move them."""

from __future__ import annotations

from typing import Any

from jacobians.graph.nested import operands_of, plain_but
from jacobians.graph.operations.table import replaced
from jacobians.numerics.arrays import Array


def parts_of(index: Any) -> tuple[Any, ...]:
    """Return the parts of an index, one for each axis that it speaks of."""
    return index if isinstance(index, tuple) else (index,)


def shown(rule: Any, function: Any, args: Any, kwargs: Any) -> Any:
    """Return what a function that returns views does to the numbers of the entries of its operand."""
    (place, _), *others = [*operands_of(args), *operands_of(kwargs)]
    if others:
        return None
    plain = plain_but(args, place), plain_but(kwargs, place)

    def shows(numbers: Array) -> Any:
        its_args, its_kwargs = replaced(*plain, place, numbers)
        return function(*its_args, **its_kwargs)

    return shows


def part_of(shows: Any, k: int) -> Any:
    """Return what gives one of several views."""
    return lambda numbers: shows(numbers)[k]
