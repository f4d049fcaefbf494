"""Sizes that are letters: sympy symbols in the place of integers, so that a cost becomes an expression.

Rows of the table of products are formulas of sizes, and take symbols as they take integers. Only what compares sizes
needs to know: it asks here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from jacobians.numerics.arguments import checked_integer, shown

T = TypeVar("T")


def is_symbolic(number: Any) -> bool:
    """Return whether a number is an expression of sympy, which is not imported to find out.

    Examples
    --------
    >>> import sympy
    >>> is_symbolic(sympy.Symbol("n")), is_symbolic(3)
    (True, False)
    """
    if type(number) is int:
        return False
    expression = getattr(sys.modules.get("sympy"), "Expr", None)
    return expression is not None and isinstance(number, expression)


def checked_size(number: Any, name: str = "size") -> Any:
    """Return a size: a Python integer of at least 1, or an expression that is a positive integer by its assumptions.

    Raises
    ------
    TypeError, ValueError
        If it is neither.

    Examples
    --------
    >>> import sympy
    >>> checked_size(sympy.Symbol("n", integer=True, positive=True))
    n
    >>> checked_size(sympy.Symbol("n"))
    Traceback (most recent call last):
    ...
    ValueError: size: found n, which may be no positive integer, expected an integer of at least 1 or a symbol such as sympy.Symbol('n', integer=True, positive=True)
    """  # noqa: E501
    if not is_symbolic(number) or number.is_Integer:
        return checked_integer(number, name)
    if not (number.is_integer and number.is_positive):
        raise ValueError(
            f"{name}: found {shown(number)}, which may be no positive integer, expected an integer of at least 1 or a "
            f"symbol such as sympy.Symbol('n', integer=True, positive=True)"
        )
    return number


def counted(number: Any, name: str) -> Any:
    """Return a number of operations: a Python integer of at least 0, or an expression."""
    if is_symbolic(number) and not number.is_Integer:
        return number
    # NumPy's integers wrap around, Python's don't
    return checked_integer(number, name, least=0, most=None)


def number_text(number: Any) -> str:
    """Return a number with separators, or an expression as it is.

    Examples
    --------
    >>> number_text(1234567)
    '1,234,567'
    """
    return str(number) if is_symbolic(number) else f"{number:,}"


def at(number: Any, values: Mapping[Any, int]) -> Any:
    """Return a number with integers in the place of its letters; one without letters as it is."""
    if not is_symbolic(number):
        return number
    found = number.subs(values)
    return int(found) if found.is_Integer else found


def letters_of(spec: Any) -> frozenset[Any]:
    """Return the symbols among the sizes of a spec."""
    numbers = (*spec.shape, *spec.batch, spec.rank, *(value for _, value in spec.facts))
    found = (number.free_symbols for number in numbers if is_symbolic(number))
    return frozenset().union(*found, *map(letters_of, spec.parts))


def at_sizes(spec: T, values: Mapping[Any, int]) -> T:
    """Return a spec with integers in the place of letters."""
    sizes: Any = spec
    return replace(
        sizes,
        shape=tuple(at(size, values) for size in sizes.shape),
        batch=tuple(at(size, values) for size in sizes.batch),
        parts=tuple(at_sizes(part, values) for part in sizes.parts),
        rank=at(sizes.rank, values),
        facts=tuple((name, at(value, values)) for name, value in sizes.facts),
    )
