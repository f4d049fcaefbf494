"""The same entries in another shape: what stands between layers that disagree about shapes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.names import class_name
from jacobians.numerics.arguments import checked_shape
from jacobians.structures import Identity, Jacobian


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
