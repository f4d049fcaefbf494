"""The symbolic witness: the forward code run on sympy symbols, then differentiated entry by entry.

It never reads the derivative that it checks: for a Function it runs ``forward`` alone. The values at the point are
found on the graph of shared subexpressions: sympy differentiates each of them, and their derivatives are multiplied
in 50 digits, which is the chain rule for every entry; the expressions of whole entries are far larger.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np

from jacobians.arrays import Array
from jacobians.function import INPUT
from verification.problem import Problem
from verification.scalars import MpmathScalars, UndecidedError
from verification.tracing import entries_of

AGREEMENT = 1e-20  # two pieces of a Piecewise, in 50 digits: closer than this, relatively, is the same


class SymbolicJacobian(NamedTuple):
    """A Jacobian in symbols, and its value at a point.

    Attributes
    ----------
    matrix : sympy.Matrix, shape (m, n)
        In real symbols, one an entry of the point: ``x_0``, … (numerator layout, row-major vec).
    value : numpy.ndarray of float64, shape (m, n)
        Evaluated in 50 digits, then rounded.
    """

    matrix: Any
    value: Array


def symbolic_jacobian(f: Any, x: Any, wrt: str = INPUT, *, exact: bool = False) -> SymbolicJacobian:
    """Return the Jacobian of f in symbols and at x, differentiated entry by entry: ∂f_i/∂x_j in place (i, j).

    Numerator layout, row-major vec of both sides. Branches (``np.where``, ``maximum``, ``abs``) become Piecewise
    expressions with both sides kept; a Python ``if`` is decided at x, so that the matrix holds on its branch.

    Parameters
    ----------
    f : Function or callable
        Plain NumPy code from one array to one array.
    x : array_like
        The point.
    wrt : str
        "input", or the name of a parameter of a Function ("W", "0.W").
    exact : bool
        True makes Rationals of the floating point constants in f. By default they are Floats of 50 digits; no
        digit of a float is lost either way.

    Returns
    -------
    SymbolicJacobian
        The sympy Matrix, shape (m, n), and its float64 value.

    Raises
    ------
    TracingError
        If f calls something that isn't traced; the message names it.
    UndecidedError
        If x lies on a kink: a comparison is on its boundary, and the pieces on its sides don't fit smoothly.
    EvaluationError
        If f returns no array of real numbers.

    Examples
    --------
    >>> J = symbolic_jacobian(lambda x: x[0] ** 2 * x[1], [2.0, 3.0])
    >>> J.matrix
    Matrix([[2*x_0*x_1, x_0**2]])
    >>> J.value
    array([[12.,  4.]])
    """
    return differentiate(Problem(f, x, wrt, dtype=np.float64), exact=exact)


def differentiate(problem: Problem, *, exact: bool = False) -> SymbolicJacobian:
    """Return the symbolic Jacobian of a problem; see :func:`symbolic_jacobian`."""
    import sympy

    values, point = _traced(problem, exact)
    entries = [sympy.diff(value, symbol) for value in values for symbol in point]
    return SymbolicJacobian(sympy.Matrix(*problem.shape, entries), _value(problem, values, point, entries))


class SymbolicValue(NamedTuple):
    """The value of a symbolic Jacobian, and what the time went to.

    Attributes
    ----------
    matrix : numpy.ndarray of float64, shape (m, n)
        Evaluated in 50 digits, then rounded.
    tracing, sympy : float
        Seconds of running the code on symbols, and of differentiation and evaluation.
    """

    matrix: Array
    tracing: float
    sympy: float


def symbolic_value(problem: Problem) -> SymbolicValue:
    """Return the value of the symbolic Jacobian of a problem, without the expressions of its entries."""
    start = time.perf_counter()
    values, point = _traced(problem, exact=False)
    traced = time.perf_counter()
    matrix = _value(problem, values, point)
    return SymbolicValue(matrix, traced - start, time.perf_counter() - traced)


def _traced(problem: Problem, exact: bool) -> tuple[list[Any], dict[Any, float]]:
    """Return the entries of f as expressions, and the symbols with their values, in the order of the point."""
    from verification.symbols import SympyScalars, real_symbols

    stem = "x" if problem.wrt == INPUT else problem.wrt.replace(".", "_")
    symbols = real_symbols(stem, problem.point.shape)
    point = dict(zip(symbols.ravel(), problem.point.ravel().tolist(), strict=True))
    return problem.trace(SympyScalars(point, exact=exact), symbols).tolist(), point


def _value(
    problem: Problem, values: list[Any], point: dict[Any, float], entries: list[Any] | None = None
) -> Array:
    import sympy

    from verification.symbols import boundaries, graph_jacobian

    numbers = None if boundaries(values, point) else graph_jacobian(values, point)
    if numbers is None:  # on a boundary, or a branch that isn't taken has no value: entry by entry
        if entries is None:
            entries = [sympy.diff(value, symbol) for value in values for symbol in point]
        numbers = _smooth_value(values, entries, point)
    return np.array([_real(number) for number in numbers]).reshape(problem.shape)


def _smooth_value(values: list[Any], entries: list[Any], point: dict[Any, float]) -> list[Any]:
    """Return the entries at the point.

    Where comparisons lie on their boundary, every piece that meets there must give the same value of the
    function and of its derivative; then the function is differentiable and the pieces agree.
    """
    from verification.symbols import sides

    first, *others = sides(values + entries, point)
    for other in others:
        for one, two in zip(first, other, strict=True):
            if not abs(one - two) <= AGREEMENT * max(1, abs(one)):
                raise UndecidedError(
                    "kink at the point: a comparison lies exactly on its boundary, and the pieces on its sides have "
                    "different derivatives"
                )
    return first[len(values) :]


def _real(number: Any) -> float:
    value = complex(number)
    return value.real if value.imag == 0 else float("nan")


def operation_count(problem: Problem) -> int:
    """Return the scalar operations that the traced forward code does; the cost of a symbolic Jacobian grows with it.

    Raises
    ------
    TracingError
        If the code can't be traced.
    """
    scalars = MpmathScalars(15)
    problem.trace(scalars, entries_of(problem.point, scalars))
    return scalars.operations
