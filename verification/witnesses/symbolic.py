"""The symbolic witness: the forward code run on sympy symbols, then differentiated entry by entry.

It never reads the derivative that it checks: for a Function it runs ``forward`` alone. The values at the point are
found along the graph of the code's steps: sympy differentiates each kind of step in symbols of its operands, and the
derivatives are multiplied in 50 digits, which is the chain rule; the expressions of whole entries are far larger.
"""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import numpy as np

from jacobians.equality import by_value
from jacobians.function import INPUT
from jacobians.numerics.arrays import Array, require_budget
from jacobians.numerics.float_errors import without_float_errors
from verification.problem import Problem
from verification.witnesses.steps import PROJECT_INSTEAD


@by_value
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


@without_float_errors
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
    require_budget(problem.shape, 8, "a symbolic Jacobian", PROJECT_INSTEAD)
    import sympy

    values, point = _traced(problem, exact)
    entries = [
        sympy.diff(value, symbol) if symbol in symbols else sympy.Integer(0)
        for value, symbols in ((value, value.free_symbols) for value in values)
        for symbol in point
    ]
    return SymbolicJacobian(sympy.Matrix(*problem.shape, entries), symbolic_value(problem).matrix)


class SymbolicValue(NamedTuple):
    """The value of a symbolic Jacobian, and what the time went to.

    Attributes
    ----------
    matrix : numpy.ndarray of float64, shape (m, n)
        Evaluated in 50 digits, then rounded.
    tracing, sympy : float
        Seconds of running the code and multiplying along its graph, and of sympy.
    """

    matrix: Array
    tracing: float
    sympy: float


def symbolic_value(problem: Problem, seconds: float = math.inf) -> SymbolicValue:
    """Return the value of the symbolic Jacobian of a problem, without the expressions of its entries.

    Raises
    ------
    TracingError, UndecidedError
        As for :func:`symbolic_jacobian`; OverTimeError, a TracingError, if it takes longer than `seconds`.
    """
    require_budget(problem.shape, 8, "a symbolic Jacobian", PROJECT_INSTEAD)
    start = time.perf_counter()
    from verification.tracing.derivatives import differentiated

    rows, of_sympy = differentiated(problem, seconds)
    matrix = np.array(rows, dtype=np.float64).reshape(problem.shape)
    matrix[~np.isfinite(matrix)] = np.nan
    return SymbolicValue(matrix, time.perf_counter() - start - of_sympy, of_sympy)


def _traced(problem: Problem, exact: bool) -> tuple[list[Any], dict[Any, float]]:
    """Return the entries of f as expressions, and the symbols with their values, in the order of the point."""
    from verification.tracing.symbols import SympyScalars, real_symbols

    stem = "x" if problem.wrt == INPUT else problem.wrt.replace(".", "_")
    symbols = real_symbols(stem, problem.point.shape)
    point = dict(zip(symbols.ravel(), problem.point.ravel().tolist(), strict=True))
    return problem.trace(SympyScalars(point, exact=exact), symbols).tolist(), point
