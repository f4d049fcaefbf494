"""The same entries in another shape or order: what stands between layers that disagree about shapes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_integer, checked_list, checked_shape
from jacobians.structures import Identity, Jacobian, Selection


class Reshape(Function):
    """The same entries, row by row, in another shape; the Jacobian is the identity.

    Parameters
    ----------
    shape : tuple of int
        The shape of the output; () makes a scalar of one entry.

    Raises
    ------
    TypeError, ValueError
        If shape is no tuple of sizes of at least 1, or x has another number of entries.

    Examples
    --------
    >>> Reshape((2, 2))([1.0, 2.0, 3.0, 4.0])
    array([[1., 2.],
           [3., 4.]])
    >>> Reshape((2, 2)).jacobian([1.0, 2.0, 3.0, 4.0])
    <I₄: 4×4, out (2, 2), in (4,), 0 of 16 numbers stored>
    """

    vectorized = True

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape: tuple[int, ...] | None = checked_shape(shape, "shape", expected="a tuple of integers")

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless `shape` has as many entries as the output."""
        if self.shape is not None and math.prod(shape) != math.prod(self.shape):
            raise ValueError(
                f"x: found shape {shape} with {math.prod(shape)} entries, expected {math.prod(self.shape)} "
                f"entries for the shape {self.shape}"
            )

    def _out_shape(self, point: tuple[int, ...]) -> tuple[int, ...]:
        return (math.prod(point),) if self.shape is None else self.shape

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return the entries in the other shape."""
        return np.reshape(x, (*x.shape[:batch_ndim], *self._out_shape(x.shape[batch_ndim:])))

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return the identity."""
        point = x.shape[batch_ndim:]
        return Identity.unchecked(
            math.prod(point), out_shape=self._out_shape(point), in_shape=point, dtype=x.dtype
        )

    def __repr__(self) -> str:
        return f"{class_name(self)}({'' if self.shape is None else self.shape})"


class Flatten(Reshape):
    """The row-major vec of an array of any shape, (n,); the Jacobian is the identity.

    Examples
    --------
    >>> Flatten()([[1.0, 2.0], [3.0, 4.0]])
    array([1., 2., 3., 4.])
    """

    def __init__(self) -> None:
        self.shape = None


class Transpose(Function):
    """X ↦ Xᵀ, or the axes of an array in another order; the Jacobian is a permutation.

    Of a matrix it is the commutation matrix K with K vec(X) = vec(Xᵀ).

    Parameters
    ----------
    axes : tuple of int, optional
        Which axis of x each axis of the output is, as of ``numpy.transpose``; without it x is a matrix.

    Raises
    ------
    TypeError, ValueError
        If axes is no order of 0, 1, …, or x has another number of axes.

    Examples
    --------
    >>> Transpose().jacobian([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    <Permutation 6×6: 6×6, out (3, 2), in (2, 3), 6 of 36 numbers stored>
    >>> Transpose((2, 0, 1))([[[1.0, 2.0]], [[3.0, 4.0]]])
    array([[[1.],
            [3.]],
    <BLANKLINE>
           [[2.],
            [4.]]])
    """

    vectorized = True

    def __init__(self, axes: tuple[int, ...] | None = None) -> None:
        self.axes = None
        if axes is not None:
            listed = checked_list(axes, "axes", "a list of integers such as (2, 0, 1)")
            self.axes = tuple(checked_integer(axis, "axes", least=0) for axis in listed)
            if sorted(self.axes) != [*range(len(self.axes))]:
                raise ValueError(f"axes: found {self.axes}, expected each of 0, 1, … once, such as (2, 0, 1)")

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless `shape` is that of a matrix, or has as many axes as there are in `axes`."""
        count = 2 if self.axes is None else len(self.axes)
        if len(shape) != count:
            hint = "; points along the first axis need batched=True" if len(shape) == count + 1 else ""
            expected = "a matrix (m, n)" if self.axes is None else f"{count} axes for axes={self.axes}"
            raise ValueError(f"x: found shape {shape}, expected {expected}{hint}")

    def _moved(self, x: Any, batch_ndim: int) -> Any:
        order = (1, 0) if self.axes is None else self.axes
        return np.transpose(x, (*range(batch_ndim), *(batch_ndim + axis for axis in order)))

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return Xᵀ, or x with its axes in the other order."""
        return self._moved(x, batch_ndim)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return the permutation, of a matrix the commutation matrix."""
        point = x.shape[batch_ndim:]
        places = self._moved(np.arange(math.prod(point)).reshape(point), 0)
        return Selection.unchecked(
            places.ravel(), places.size, repeats=False, out_shape=places.shape, in_shape=point, dtype=x.dtype
        )

    def __repr__(self) -> str:
        return f"{class_name(self)}({'' if self.axes is None else self.axes})"
