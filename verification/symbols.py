"""The table of sympy scalars: branches as exact Piecewise expressions, decisions taken at a point.

Imported only where symbols are used: importing :mod:`verification` doesn't import sympy.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import mpmath
import numpy as np
import sympy
from numpy.typing import NDArray

from verification.scalars import Primitive, Scalars, TracingError, UndecidedError

DIGITS = 50
"""Decimal digits of constants and of every evaluation."""

_BOUNDARY = 10.0**-30  # two sides of a comparison closer than this, relatively, count as equal


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
    >>> from verification.tracing import trace, traced
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
        left = a[None, :] if a.ndim == 1 else a
        right = b[:, None] if b.ndim == 1 else b
        batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        left = np.broadcast_to(left, batch + left.shape[-2:])
        right = np.broadcast_to(right, batch + right.shape[-2:])
        product = np.empty((*batch, left.shape[-2], right.shape[-1]), dtype=object)
        for index in np.ndindex(*product.shape):
            row, column = left[index[:-1]], right[(*index[:-2], slice(None), index[-1])]
            product[index] = sympy.Add(*(_number(p) * _number(q) for p, q in zip(row, column, strict=True)))
        if a.ndim == 1:
            product = product[..., 0, :]
        return product[..., 0] if b.ndim == 1 else product

    def decide(self, condition: Any) -> bool:
        """Return the truth value of a condition at the point; a number is true unless it is 0."""
        if isinstance(condition, sympy.Expr):
            condition = sympy.Ne(condition, 0, evaluate=False)
        if condition in (sympy.true, sympy.false):
            return bool(condition)
        if boundaries([condition], self.point):
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


def graph_jacobian(values: Sequence[Any], point: Mapping[Any, float]) -> list[Any] | None:
    """Return the derivatives of values by every symbol at the point, row by row, in many digits; None if it can't.

    Common subexpressions get symbols t₀, t₁, …; sympy differentiates each by the symbols in it, and the numbers are
    multiplied along the graph. None if a subexpression, perhaps of a branch that isn't taken, has no finite value.

    Examples
    --------
    >>> x = sympy.Symbol("x", real=True)
    >>> print([mpmath.nstr(entry, 20) for entry in graph_jacobian([sympy.exp(x**2)], {x: 1.0})])
    ['5.4365636569180904707']
    """
    shared = sympy.numbered_symbols("t", real=True, exclude=list(point))
    named, reduced = sympy.cse(list(values), symbols=shared, order="none", list=False)
    parts = [(symbol, part) for symbol, part in named] + [(None, part) for part in reduced]
    slopes = [
        [(symbol, part.diff(symbol)) for symbol in part.free_symbols] if isinstance(part, sympy.Expr) else []
        for _, part in parts  # a condition is constant on each side of its boundary
    ]
    symbols = list(point)
    wanted = [slope for row in slopes for _, slope in row]
    with mpmath.workdps(DIGITS):
        compiled = sympy.lambdify(symbols, wanted, modules="mpmath", cse=lambda same: (named, list(same)))
        try:
            found = iter(compiled(*(mpmath.mpf(float(value)) for value in point.values())))
        except (ZeroDivisionError, ValueError, OverflowError):
            return None
        rows: dict[Any, NDArray[Any]] = {}
        for j, symbol in enumerate(symbols):
            rows[symbol] = np.array([mpmath.mpf(int(k == j)) for k in range(len(symbols))], dtype=object)
        result: list[Any] = []
        for (name, _), slope in zip(parts, slopes, strict=True):
            row = np.array([mpmath.mpf(0)] * len(symbols), dtype=object)
            for symbol, _ in slope:
                row = row + next(found) * rows[symbol]
            if name is None:
                result.extend(row)
            else:
                rows[name] = row
        return result if all(mpmath.isfinite(entry) for entry in result) else None


def boundaries(expressions: Sequence[Any], point: Mapping[Any, float]) -> list[Any]:
    """Return the comparisons in `expressions` whose two sides are equal at the point.

    Sympy's Abs and sign count as comparisons of their argument with 0.
    """
    relations: dict[Any, Any] = {}
    for node in _nodes(expressions):
        if isinstance(node, sympy.core.relational.Relational):
            relations[node] = node.lhs - node.rhs
        elif isinstance(node, sympy.Abs | sympy.sign):
            relations[node] = node.args[0]
    if not relations:
        return []
    gaps = evaluate(list(relations.values()), point)
    return [node for node, gap in zip(relations, gaps, strict=True) if abs(gap) < _BOUNDARY]


def _nodes(expressions: Sequence[Any]) -> list[Any]:
    """Return every distinct subexpression; shared ones are visited once."""
    seen: set[Any] = set()
    waiting = list(expressions)
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting.extend(node.args)
    return list(seen)


def sides(expressions: Sequence[Any], point: Mapping[Any, float], most: int = 6) -> list[list[Any]]:
    """Return the values of `expressions` for every way to take the comparisons that lie on their boundary.

    One list where no comparison does. Equal lists mean that the pieces fit there without a kink.

    Raises
    ------
    UndecidedError
        If more than `most` comparisons lie on their boundary, or one is inside Abs or sign.
    """
    touching = boundaries(expressions, point)
    if len(touching) > most or any(not node.is_Relational for node in touching):
        raise UndecidedError("kink at the point: a comparison lies exactly on its boundary")
    choices = []
    for outcome in itertools.product((sympy.true, sympy.false), repeat=len(touching)):
        taken = dict(zip(touching, outcome, strict=True))
        choices.append(evaluate([_take(expression, taken) for expression in expressions], point))
    return choices


def _take(expression: Any, taken: Mapping[Any, Any]) -> Any:
    """Return an expression with some of its comparisons replaced by their outcomes."""
    if not taken:
        return expression
    rebuilt: dict[Any, Any] = {}

    def walk(node: Any) -> Any:
        if node not in rebuilt:
            if node in taken:
                rebuilt[node] = taken[node]
            elif isinstance(node, sympy.Piecewise):
                pieces = [(walk(piece.expr), walk(piece.cond)) for piece in node.args]
                kept = [(value, condition) for value, condition in pieces if condition != sympy.false]
                first = next((k for k, piece in enumerate(kept) if piece[1] == sympy.true), len(kept) - 1)
                kept = kept[: first + 1]
                rebuilt[node] = kept[0][0] if kept[0][1] == sympy.true else Piecewise(*kept)
            else:
                parts = [walk(part) for part in node.args]
                rebuilt[node] = node.func(*parts) if parts else node
        return rebuilt[node]

    return walk(expression)


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
