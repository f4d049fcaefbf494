"""Forms in which a Jacobian is given by mistake: transposed, in another vec order or shape, with a bias column.

A form takes the candidate back: what is left is compared with the right matrix, or with what another mistake gives.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jacobians.numerics.arrays import Array
from jacobians.numerics.layouts import column_major_order

Shape = tuple[int, ...]

TRANSPOSED = "the candidate is transposed: Jᵀ (denominator layout) in place of J"

ORDER = "the {} are in column-major (Fortran) order of {}, expected row-major vec"


class Form(NamedTuple):
    """A form, and the candidate without it.

    Attributes
    ----------
    name, sentence : str
        As those of a mistake.
    matrix : numpy.ndarray, shape (m, n)
        What the candidate is when it is taken out of this form.
    """

    name: str
    sentence: str
    matrix: Array


def forms(found: Array, out_shape: Shape, in_shape: Shape) -> Iterator[Form]:
    """Yield the forms that a candidate may have, by its shape alone.

    Parameters
    ----------
    found : numpy.ndarray
        The candidate, in any shape.
    out_shape, in_shape : tuple of int
        Of f(x) and of x, or of the parameter: the right matrix has the shape (m, n), the products of their entries.

    Examples
    --------
    >>> [form.name for form in forms(np.ones((3, 2)), (2,), (3,))]
    ['transposed', 'shape']
    >>> [form.sentence for form in forms(np.ones((2, 4)), (2,), (3,))][0]
    'the bias column is not dropped: without the first column the candidate is J'
    """
    m, n = math.prod(out_shape), math.prod(in_shape)
    if found.ndim == 2 and found.shape == (n, m):
        yield Form("transposed", TRANSPOSED, found.T)
    if found.shape == (m, n):
        yield from _orders(found, out_shape, in_shape)
        return
    yield from _with_bias(found, m, n, in_shape)
    if found.ndim == 2 and found.shape != (n, m):
        for form in _with_bias(found.T, m, n, in_shape):
            yield form._replace(
                name=f"transposed+{form.name}",
                sentence=f"two mistakes: it is transposed, and {form.sentence}",
            )
    if found.size == m * n:
        yield Form("shape", "the entries are right and the shape is not", found.reshape(m, n))


def of_columns(out_shape: Shape, in_shape: Shape) -> tuple[str, str]:
    """Return the name and the sentence for columns in column-major order: of the gradient of a matrix, its transpose.

    Examples
    --------
    >>> of_columns((), (2, 3))[0], of_columns((4,), (2, 3))[0]
    ('transposed', 'vec-order')
    """
    if len(in_shape) == 2 and math.prod(out_shape) == 1:
        said = "the gradient is transposed: it is in numerator layout, expected the order of the parameter"
        return "transposed", said
    return "vec-order", ORDER.format("columns", in_shape)


def _orders(found: Array, out_shape: Shape, in_shape: Shape) -> Iterator[Form]:
    if len(in_shape) > 1:
        matrix = np.empty_like(found)
        matrix[:, column_major_order(in_shape)] = found
        yield Form(*of_columns(out_shape, in_shape), matrix)
    if len(out_shape) > 1:
        matrix = np.empty_like(found)
        matrix[column_major_order(out_shape)] = found
        yield Form("vec-order", ORDER.format("rows", out_shape), matrix)


def _with_bias(found: Array, m: int, n: int, in_shape: Shape) -> Iterator[Form]:
    """Yield what is left without the columns of a bias: of an input [1; x] or [x; 1], or of each row of a matrix."""
    if found.ndim != 2:
        return
    name, dropped = (
        "bias-column",
        "the bias column is not dropped: without the {} column{} the candidate is J",
    )
    rows, extra = found.shape[0], found.shape[1] - n
    if rows == m and extra > 0:
        many = "s" if extra > 1 else ""
        yield Form(name, dropped.format("first" if extra == 1 else f"first {extra}", many), found[:, extra:])
        yield Form(name, dropped.format("last" if extra == 1 else f"last {extra}", many), found[:, :n])
    if rows == m + 1 and extra == 1:
        sentence = "row and column of the bias are not dropped: without the {} of each the candidate is J"
        yield Form(name, sentence.format("first"), found[1:, 1:])
        yield Form(name, sentence.format("last"), found[:-1, :-1])
    if len(in_shape) == 2:
        h, d = in_shape
        sentence = (
            "the bias column is not dropped: of each row of h × (d + 1) entries {} is that of the bias, "
        )
        sentence += f"expected the parameter of shape ({h}, {d})"
        if found.shape == (m, h * (d + 1)) or (m == 1 and found.shape == (h, d + 1)):
            wide = found.reshape(m, h, d + 1)
            yield Form(name, sentence.format("the first"), wide[:, :, 1:].reshape(m, n))
            yield Form(name, sentence.format("the last"), wide[:, :, :-1].reshape(m, n))
