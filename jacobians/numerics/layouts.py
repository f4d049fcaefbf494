"""Matrix and tensor layouts of one derivative, and exact conversions between them.

Everything is stored in one form: an array of shape batch + (m, n), numerator layout, row-major vec of output and
input. The functions here rearrange entries and never compute with them, so every conversion is exact.

==============  ==============================  =====================================
name            axes                            entry
==============  ==============================  =====================================
mixed           out_shape + in_shape            T[i…, j…] = ∂y[i…]/∂x[j…]
numerator       out_shape + reversed(in_shape)  T[i…, reversed j…] = ∂y[i…]/∂x[j…]
denominator     in_shape + reversed(out_shape)  T[j…, reversed i…] = ∂y[i…]/∂x[j…]
==============  ==============================  =====================================
"""

from __future__ import annotations

import math
from typing import Literal, cast, get_args

import numpy as np

from jacobians.numerics.arguments import checked_option
from jacobians.numerics.arrays import Array
from jacobians.numerics.libraries import home_of, namespace_of

Shape = tuple[int, ...]
VecOrder = Literal["row", "column"]
MatrixLayout = Literal["numerator", "denominator"]
TensorLayout = Literal["numerator", "denominator", "mixed"]


def column_major_order(shape: Shape) -> Array:
    """Return, for each entry of the column-major vec of an array of `shape`, its row-major position.

    Examples
    --------
    >>> column_major_order((2, 3))
    array([0, 3, 1, 4, 2, 5])
    """
    return np.arange(math.prod(shape)).reshape(shape).ravel(order="F")


def to_matrix(
    dense: Array, out_shape: Shape, in_shape: Shape, vec: VecOrder = "row", layout: MatrixLayout = "numerator"
) -> Array:
    """Rearrange a numerator, row-major (…, m, n) array into a matrix of another vec order or layout.

    Parameters
    ----------
    dense : numpy.ndarray, shape (…, m, n)
        Numerator layout, row-major vec.
    out_shape, in_shape : tuple of int
        The shapes of the output and of the input, with m and n entries.
    vec : {"row", "column"}
        How output and input are stacked into vectors.
    layout : {"numerator", "denominator"}
        (outputs × inputs) or its transpose.

    Raises
    ------
    ValueError
        For a name that is not one of these.

    Examples
    --------
    >>> T = np.arange(8).reshape(2, 4)  # ∂y/∂W, y of 2 entries, W 2×2
    >>> to_matrix(T, (2,), (2, 2), vec="column")
    array([[0, 2, 1, 3],
           [4, 6, 5, 7]])
    """
    checked_option(vec, "vec", get_args(VecOrder))
    checked_option(layout, "layout", get_args(MatrixLayout))
    if vec == "column":
        xp = namespace_of(dense)
        for axis, shape in ((-2, out_shape), (-1, in_shape)):
            if len(shape) > 1:
                order = column_major_order(shape)
                dense = xp.take(dense, home_of(dense).indices(order), axis=axis)
    return dense.mT if layout == "denominator" else dense


def to_tensor(dense: Array, out_shape: Shape, in_shape: Shape, layout: TensorLayout = "numerator") -> Array:
    """Rearrange a numerator, row-major (…, m, n) array into the full tensor of a derivative.

    No axis of length 1 is added or dropped.

    Parameters
    ----------
    dense : numpy.ndarray, shape (…, m, n)
        Numerator layout, row-major vec.
    out_shape, in_shape : tuple of int
        The shapes of the output and of the input, with m and n entries.
    layout : {"numerator", "denominator", "mixed"}
        The order of the axes: see the table above.

    Raises
    ------
    ValueError
        For a name that is not one of these.

    Examples
    --------
    >>> to_tensor(np.zeros((4, 12)), (4,), (4, 3)).shape
    (4, 3, 4)
    >>> to_tensor(np.zeros((4, 12)), (4,), (4, 3), "mixed").shape
    (4, 4, 3)
    """
    checked_option(layout, "layout", get_args(TensorLayout))
    batch = dense.shape[:-2]
    xp = namespace_of(dense)
    mixed = xp.reshape(dense, tuple(batch) + out_shape + in_shape)
    first, out_ndim, in_ndim = len(batch), len(out_shape), len(in_shape)
    leading = tuple(range(first))
    out_axes = tuple(range(first, first + out_ndim))
    in_axes = tuple(range(first + out_ndim, first + out_ndim + in_ndim))
    if layout == "mixed":
        return cast(Array, mixed)
    if layout == "numerator":
        return cast(Array, xp.permute_dims(mixed, leading + out_axes + in_axes[::-1]))
    return cast(Array, xp.permute_dims(mixed, leading + in_axes + out_axes[::-1]))


def from_tensor(tensor: Array, out_shape: Shape, in_shape: Shape, layout: TensorLayout) -> Array:
    """Return the (…, m, n) matrix, numerator layout and row-major vec, of a tensor whose layout is named.

    The exact inverse of :func:`to_tensor`.

    Raises
    ------
    ValueError
        For an unknown layout, or a tensor whose axes don't fit it.

    Examples
    --------
    >>> T = np.arange(6.0).reshape(1, 3, 2)  # y of 1 entry, X 2×3: numerator layout has reversed in_shape
    >>> from_tensor(T, (1,), (2, 3), "numerator")
    array([[0., 2., 4., 1., 3., 5.]])
    """
    checked_option(layout, "layout", get_args(TensorLayout))
    expected = {
        "mixed": out_shape + in_shape,
        "numerator": out_shape + in_shape[::-1],
        "denominator": in_shape + out_shape[::-1],
    }[layout]
    axes = len(expected)
    batch = tensor.shape[: tensor.ndim - axes]
    if tensor.ndim < axes or tensor.shape[len(batch) :] != expected:
        raise ValueError(
            f"tensor: found shape {tensor.shape}, expected {expected} in {layout} layout "
            f"for out_shape {out_shape} and in_shape {in_shape}"
        )
    first, out_ndim, in_ndim = len(batch), len(out_shape), len(in_shape)
    leading = tuple(range(first))
    if layout == "numerator":
        order = tuple(range(out_ndim)) + tuple(reversed(range(out_ndim, axes)))
    elif layout == "denominator":
        order = tuple(range(in_ndim, in_ndim + out_ndim))[::-1] + tuple(range(in_ndim))
    else:
        order = tuple(range(axes))
    mixed = tensor.transpose(leading + tuple(first + axis for axis in order))
    return mixed.reshape((*batch, math.prod(out_shape), math.prod(in_shape)))
