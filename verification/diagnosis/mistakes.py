"""What the usual mistakes would give: a hypothesis is a name, a sentence, and the matrix that it predicts.

:func:`of_matrix` knows a matrix alone, :func:`of_function` also the function and the point; what follows from its graph
is in :mod:`verification.diagnosis.graph_search`. The expected matrix is (m, n): numerator layout, row-major vec.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.layers.elementwise import Elementwise
from jacobians.numerics.arrays import Array
from jacobians.numerics.layouts import column_major_order
from verification.diagnosis.layouts import ORDER, TRANSPOSED, Shape, of_columns


class Mistake(NamedTuple):
    """A hypothesis.

    Attributes
    ----------
    name : str
        For machines: "sign", "missing-derivative", …
    sentence : str
        For people.
    matrix : numpy.ndarray
        What the mistake would have given.
    """

    name: str
    sentence: str
    matrix: Array


def of_matrix(expected: Array, out_shape: Shape, in_shape: Shape) -> Iterator[Mistake]:
    """Yield what follows from the right matrix alone: signs, transposes, vec orders and bias columns.

    Parameters
    ----------
    expected : numpy.ndarray, shape (m, n)
        The right Jacobian.
    out_shape, in_shape : tuple of int
        Of f(x) and of x, or of the parameter.

    Examples
    --------
    >>> [mistake.name for mistake in of_matrix(np.eye(6), (6,), (2, 3))]
    ['sign', 'transposed', 'vec-order', 'bias-column', 'bias-column']
    """
    yield Mistake("sign", "the sign is wrong: the candidate is −J", -expected)
    yield Mistake("transposed", TRANSPOSED, expected.T)
    columns = expected[:, column_major_order(in_shape)] if len(in_shape) > 1 else expected
    rows = expected[column_major_order(out_shape)] if len(out_shape) > 1 else expected
    if len(in_shape) > 1:
        yield Mistake(*of_columns(out_shape, in_shape), columns)
    if len(out_shape) > 1:
        yield Mistake("vec-order", ORDER.format("rows", out_shape), rows)
    if len(in_shape) > 1 and len(out_shape) > 1:
        sentence = "rows and columns are in column-major (Fortran) order, expected row-major vec"
        yield Mistake("vec-order", sentence, columns[column_major_order(out_shape)])
    if len(in_shape) == 2 and in_shape[1] > 1:
        rows_of = expected.reshape(len(expected), *in_shape)
        for kept, which in ((rows_of[:, :, 1:], "first"), (rows_of[:, :, :-1], "last")):
            sentence = f"the bias column is missing: the candidate has no entries for the {which} column of {in_shape}"
            yield Mistake("bias-column", sentence, kept.reshape(len(expected), -1))


def of_function(f: Any, x: Array) -> Iterator[Mistake]:
    """Yield what a function of an array of x's shape suggests: f for f′, and f′ taken at f(x).

    Parameters
    ----------
    f : callable
        From arrays of a shape to arrays of the same shape; for others there is no hypothesis.
    x : numpy.ndarray
        The point.
    """
    from verification.problem import Problem
    from verification.witnesses.finite_difference import richardson

    problem = Problem(f, x)
    if problem.value.shape != problem.point.shape:
        return
    size = problem.value.size
    sentence = "the function stands in place of its derivative: diag(f(x)) for diag(f′(x))"
    yield Mistake("function-for-derivative", sentence, np.diag(problem.value.reshape(-1)))
    yield Mistake(
        "missing-derivative", "the derivative is missing: the candidate is the identity", np.eye(size)
    )
    if np.isfinite(problem.value).all():
        try:
            later = richardson(Problem(f, problem.value))
        except Exception:  # f's own, outside of its domain
            return
        yield Mistake("derivative-at-output", "the derivative is taken at f(x), expected at x", later.matrix)


def mistakes(
    expected: Array, f: Any, x: Array | None, wrt: str, out_shape: Shape, in_shape: Shape
) -> Iterator[Mistake]:
    """Yield every hypothesis, the more likely ones first."""
    yield from of_matrix(expected, out_shape, in_shape)
    if f is None or x is None:
        return
    if wrt == INPUT and callable(f):
        if isinstance(f, Function) and not isinstance(f, Elementwise):
            return
        yield from of_function(f, x)
