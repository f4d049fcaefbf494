"""The table of sympy scalars: branches as exact Piecewise expressions, decisions taken at a point.

Imported only where symbols are used: importing :mod:`verification` doesn't import sympy.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from verification.tracing.graph import dots
from verification.tracing.scalars import Primitive, Scalars, TracingError, UndecidedError

DIGITS = 50
"""Decimal digits of constants and of every evaluation."""

BOUNDARY = 10.0**-30
"""Two sides of a comparison closer than this count as equal."""


class Piecewise(sympy.Piecewise):  # type: ignore[misc]  # sympy ships no complete types
    """Sympy's Piecewise, left as it is built.

    Sympy's own constructor solves the conditions as inequalities: slow, and inexact with floating point
    constants. The name is the same because its printers find their methods by it.
    """

    def __new__(cls, *args: Any, **options: Any) -> Any:
        """Build without evaluation."""
        options["evaluate"] = False
        return super().__new__(cls, *args, **options)


class SympyScalars(Scalars):
    """Sympy expressions in real symbols.

    Parameters
    ----------
    point : mapping of sympy.Symbol to float
        Where comparisons that must be decided (``if x[0] > 0``, ``argmax``) are.
    exact : bool
        True turns floating point constants into Rationals; otherwise they are Floats of 50 digits (a float is
        binary: either way no digit is lost). Whole numbers become Integers.

    Examples
    --------
    >>> import numpy as np
    >>> from verification.tracing.following import trace
    >>> from verification.tracing.arrays import traced
    >>> x = sympy.Symbol("x", real=True)
    >>> print(trace(lambda t: np.maximum(t, 0) ** 2, traced(x, SympyScalars({x: 3.0}))))
    Piecewise((x**2, x >= 0), (0, True))
    """

    name: ClassVar[str] = "sympy"

    def __init__(self, point: Mapping[Any, float], *, exact: bool = False) -> None:
        self.point = dict(point)
        self.exact = exact
        super().__init__()

    def constant(self, value: Any) -> Any:
        """Return a number as a sympy one."""
        if isinstance(value, bool | np.bool_):
            return sympy.true if value else sympy.false
        if isinstance(value, int | np.integer):
            return sympy.Integer(int(value))
        number = float(value)
        if not np.isfinite(number):
            return {np.inf: sympy.oo, -np.inf: -sympy.oo}.get(number, sympy.nan)
        if number.is_integer() and abs(number) < 2**53:
            return sympy.Integer(int(number))
        return sympy.Rational(number) if self.exact else sympy.Float(number, DIGITS)

    def is_own(self, value: Any) -> bool:
        """Say whether `value` is a sympy expression or condition."""
        return isinstance(value, sympy.Basic)

    def sum(self, items: Sequence[Any]) -> Any:
        """Return one flat sum."""
        return sympy.Add(*map(_number, items))

    def matmul(self, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
        """Return the matrix product with one flat sum an entry."""

        def dot(row: NDArray[Any], column: NDArray[Any]) -> Any:
            return sympy.Add(*(_number(p) * _number(q) for p, q in zip(row, column, strict=True)))

        return dots(dot, a, b)

    def decide(self, condition: Any) -> bool:
        """Return the truth value of a condition at the point; a number is true unless it is 0."""
        if isinstance(condition, sympy.Expr):
            condition = sympy.Ne(condition, 0, evaluate=False)
        if condition in (sympy.true, sympy.false):
            return bool(condition)
        if _on_boundary(condition, self.point):
            raise UndecidedError(
                "a branch lies exactly on its boundary at the point; use np.where, which keeps both branches"
            )
        return bool(evaluate([condition], self.point)[0])

    def select(self, condition: Any, if_true: Any, if_false: Any) -> Any:
        """Return a Piecewise, or one branch where the condition is constant."""
        if isinstance(condition, sympy.Expr):
            condition = sympy.Ne(condition, 0, evaluate=False)
        if condition in (sympy.true, sympy.false):
            return if_true if condition == sympy.true else if_false
        if if_true == if_false:
            return if_true
        if not isinstance(if_true, sympy.Expr):  # conditions; a Symbol is both, and here a number
            return sympy.ITE(condition, if_true, if_false)
        return Piecewise((if_true, condition), (if_false, True))

    def largest(self, items: Sequence[Any]) -> Any:
        """Return a flat Piecewise: the first that no later one exceeds."""
        return _extremum(list(items), _relation(sympy.Ge))

    def smallest(self, items: Sequence[Any]) -> Any:
        """Return a flat Piecewise: the first that no later one is below."""
        return _extremum(list(items), _relation(sympy.Le))

    def table(self) -> dict[str, Primitive]:
        """Return sympy's functions under NumPy's names."""
        trigonometric = ["sin", "cos", "tan", "sinh", "cosh", "tanh"]
        same = ["exp", "log", "sqrt", *trigonometric, "erf"]
        inverse = {f"arc{name}": f"a{name}" for name in trigonometric}
        zero, one = sympy.Integer(0), sympy.Integer(1)

        def cbrt(a: Any) -> Any:
            third = sympy.Rational(1, 3)
            return self.select(_relation(sympy.Ge)(a, zero), a**third, -((-a) ** third))

        def xlogy(a: Any, b: Any) -> Any:
            return zero if a == 0 else a * sympy.log(b)

        arithmetic = {
            "add": operator.add,
            "subtract": operator.sub,
            "multiply": operator.mul,
            "divide": operator.truediv,
            "power": operator.pow,
        }
        return {
            "pi": lambda: sympy.pi,
            **{name: _of_numbers(operation) for name, operation in arithmetic.items()},
            **{name: getattr(sympy, name) for name in same},
            **{name: getattr(sympy, own) for name, own in inverse.items()},
            "cbrt": cbrt,
            "xlogy": xlogy,
            "less": _relation(sympy.Lt),
            "less_equal": _relation(sympy.Le),
            "greater": _relation(sympy.Gt),
            "greater_equal": _relation(sympy.Ge),
            "equal": _relation(sympy.Eq),
            "not_equal": _relation(sympy.Ne),
            "logical_and": sympy.And,
            "logical_or": sympy.Or,
            "logical_not": sympy.Not,
            "isnan": lambda a: sympy.true if a is sympy.nan else sympy.false,
            "isinf": lambda a: sympy.true if a in (sympy.oo, -sympy.oo) else sympy.false,
            "isfinite": lambda a: sympy.false if a in (sympy.oo, -sympy.oo, sympy.nan) else sympy.true,
            "sign": lambda a: _sign(a, one, zero),
        }


def _sign(a: Any, one: Any, zero: Any) -> Any:
    if a.is_number:
        return sympy.sign(a)
    return Piecewise((one, _relation(sympy.Gt)(a, zero)), (-one, _relation(sympy.Lt)(a, zero)), (zero, True))


def _number(a: Any) -> Any:
    """Return a condition as the number 1 or 0, as in ``(x > 0) * x``; a number as it is."""
    if isinstance(a, sympy.Expr):
        return a
    if a in (sympy.true, sympy.false):
        return sympy.Integer(int(bool(a)))
    return Piecewise((sympy.Integer(1), a), (sympy.Integer(0), True))


def _of_numbers(operation: Primitive) -> Primitive:
    return lambda a, b: operation(_number(a), _number(b))


def _relation(kind: Any) -> Primitive:
    def relation(a: Any, b: Any) -> Any:
        # Unevaluated unless both are numbers: sympy would reason about the signs of whole expressions.
        return kind(a, b, evaluate=bool(a.is_number and b.is_number))

    return relation


def _extremum(items: list[Any], at_least: Primitive) -> Any:
    if len(items) == 1:
        return items[0]
    pieces = []
    for k, item in enumerate(items[:-1]):
        condition = sympy.And(*(at_least(item, other) for other in items[k + 1 :]))
        if condition == sympy.true:
            pieces.append((item, True))
            break
        if condition != sympy.false:
            pieces.append((item, condition))
    else:
        pieces.append((items[-1], True))
    return pieces[0][0] if len(pieces) == 1 else Piecewise(*pieces)


def evaluate(expressions: Sequence[Any], point: Mapping[Any, float], digits: int = DIGITS) -> list[Any]:
    """Return expressions at a point in many digits: compiled once with common subexpressions, run in mpmath.

    A value that doesn't exist (a division by zero) is NaN.

    Examples
    --------
    >>> x = sympy.Symbol("x", real=True)
    >>> print(mpmath.nstr(evaluate([sympy.sqrt(x)], {x: 2.0})[0], 20))
    1.4142135623730950488
    """
    symbols = list(point)
    with mpmath.workdps(digits):
        values = [mpmath.mpf(float(value)) for value in point.values()]
        compiled = sympy.lambdify(symbols, list(expressions), modules="mpmath", cse=_shared)
        try:
            return list(compiled(*values))
        except (ZeroDivisionError, ValueError, OverflowError):
            # A common subexpression may belong to a branch that isn't taken: one by one, branches stay lazy.
            return [_evaluate_alone(expression, symbols, values) for expression in expressions]


def _evaluate_alone(expression: Any, symbols: list[Any], values: list[Any]) -> Any:
    compiled = sympy.lambdify(symbols, expression, modules="mpmath")
    try:
        return compiled(*values)
    except (ZeroDivisionError, ValueError, OverflowError):
        return mpmath.nan


def _on_boundary(condition: Any, point: Mapping[Any, float]) -> bool:
    """Say whether the two sides of a comparison in `condition` are equal at the point."""
    gaps = [node.lhs - node.rhs for node in condition.atoms(sympy.core.relational.Relational)]
    return any(abs(gap) < BOUNDARY for gap in evaluate(gaps, point))


def real_symbols(stem: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return an array of real symbols, ``x_0``, ``x_1``, … or ``W_0_1``, one an entry.

    Raises
    ------
    TracingError
        If the shape has an empty axis.
    """
    if 0 in shape:
        raise TracingError(f"{stem}: found shape {shape} with an empty axis, expected at least one entry")
    symbols = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        symbols[index] = sympy.Symbol("_".join([stem, *map(str, index)]), real=True)
    return symbols


def _shared(expressions: Any) -> Any:
    """Return common subexpressions as `sympy.cse` does; their order is of no use here, and sorting is slow."""
    return sympy.cse(expressions, order="none", list=False)
