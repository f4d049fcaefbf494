"""The doors for what an author's methods give back: values, derivatives, and an input that is left as it was."""

from __future__ import annotations

import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from jacobians.names import class_name
from jacobians.numerics.arrays import Array, real_array, refuse_sparse
from jacobians.numerics.libraries import is_foreign
from jacobians.structures import Dense, Jacobian

INPUT = "input"


def is_real(value: Any) -> bool:
    """Return whether a value is an array or a scalar of NumPy's that holds real numbers.

    Examples
    --------
    >>> is_real(np.ones(2)), is_real(np.ones(2, complex)), is_real(3)
    (True, False, False)
    """
    return isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biuf"


def is_floats(value: Any) -> bool:
    """Return whether a value is a plain array of floats: what nearly every forward pass gives.

    Examples
    --------
    >>> is_floats(np.ones(2)), is_floats([1.0])
    (True, False)
    """
    return type(value) in (np.ndarray, np.float64, np.float32) and value.dtype.kind == "f"


def _spread(axes: tuple[int, ...], batch: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(axes, batch) == batch
    except ValueError:
        return False


class Written(ABC):
    """A function whose author wrote `forward` and `derivative`."""

    _ours: ClassVar[bool] = False

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Array]:
        """The parameters by name."""

    @abstractmethod
    def _forward(self, x: Any, batch_ndim: int) -> Any:
        """Return the value, of points of a batch one by one or together."""

    def _factors(self, derivative: Any, x: Any, wrt: str, batch_ndim: int, value: Any) -> list[Jacobian]:
        """Return what a derivative is as its factors, output side first: mostly one."""
        if not isinstance(derivative, tuple | list):
            if self._ours and isinstance(derivative, Jacobian):
                return [derivative]
            derivative = [self._as_jacobian(derivative, x, wrt, batch_ndim, value)]
            self._require_points(derivative, x, wrt, batch_ndim)
            return derivative
        for place, factor in enumerate(derivative):
            if not isinstance(factor, Jacobian):
                raise TypeError(
                    f"{class_name(self)}.derivative: found {class_name(factor)} at place {place} of a product, "
                    f"expected Jacobians; wrap arrays in Dense"
                )
        for place, (left, right) in enumerate(pairwise(derivative)):
            if left.shape[1] != right.shape[0]:
                raise ValueError(
                    f"{class_name(self)}.derivative: found factors {place} and {place + 1} of shapes {left.shape} "
                    f"and {right.shape}, expected {left.shape[1]} = {right.shape[0]}; the output side comes first"
                )
        if not derivative:
            raise ValueError(f"{class_name(self)}.derivative: found no factor, expected at least one")
        if self._ours:
            return list(derivative)
        first, *others = derivative
        sizes = first.shape[0], derivative[-1].shape[1]
        out_shape, in_shape = self._require_sizes(sizes, x, wrt, batch_ndim, value)
        factors = [first.reshaped(out_shape), *others]
        factors[-1] = factors[-1].reshaped(None, in_shape)
        self._require_points(factors, x, wrt, batch_ndim)
        return factors

    def _require_points(self, factors: Sequence[Jacobian], x: Any, wrt: str, batch_ndim: int) -> None:
        """Refuse factors of other points than those of x."""
        batch = tuple(np.shape(x)[:batch_ndim])
        for factor in factors:
            if factor.batch_shape not in ((), batch) and not _spread(factor.batch_shape, batch):
                raise ValueError(
                    f"{class_name(self)}.derivative by {wrt}: found {factor.label} of batch {factor.batch_shape}, "
                    f"expected {f'the batch {batch}' if batch else 'no batch axes, at one point'}"
                )

    def _require_sizes(
        self, found: tuple[int, int], x: Any, wrt: str, batch_ndim: int, value: Any
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the shapes of output and input of one point, if a derivative has their sizes."""
        value = self._forward(x, batch_ndim) if value is None else value
        out_shape = tuple(np.shape(value)[batch_ndim:])
        in_shape = tuple(np.shape(x)[batch_ndim:]) if wrt == INPUT else tuple(np.shape(self.parameters[wrt]))
        expected = (math.prod(out_shape), math.prod(in_shape))
        if tuple(found) != expected:
            raise ValueError(
                f"{class_name(self)}.derivative by {wrt}: found shape {tuple(found)}, expected {expected}, the "
                f"sizes of forward(x) {out_shape} and of {wrt} {in_shape}"
            )
        return out_shape, in_shape

    def _real_value(self, value: Any, x: Any) -> Any:
        """Return what `forward` gave as real numbers, or refuse it; of other scalar types it is what it is."""
        if is_foreign(value) or not all(map(is_real, (x, *self.parameters.values()))):
            return value
        return real_array(value, f"{class_name(self)}.forward")

    def _require_unwritten(self, x: Any, method: str, call: Callable[[Any], Any]) -> None:
        """Raise a sentence if a method fails because it writes to its input, which is read-only: on a copy it shows."""
        if not is_real(x):
            return
        point = np.array(x)
        with contextlib.suppress(Exception):  # the first error is the one to be told
            call(point)
        if not np.array_equal(point, x, equal_nan=True):
            raise TypeError(
                f"{class_name(self)}.{method}: found that it writes to its input x, expected a method that leaves "
                f"it as it is; begin with x = x.copy()"
            ) from None

    def _as_jacobian(self, derivative: Any, x: Any, wrt: str, batch_ndim: int, value: Any) -> Jacobian:
        if isinstance(derivative, Jacobian):
            return derivative.reshaped(*self._require_sizes(derivative.shape, x, wrt, batch_ndim, value))
        if (
            isinstance(derivative, np.ndarray) or is_foreign(derivative)
        ) and derivative.ndim == 2 + batch_ndim:
            out_shape, in_shape = self._require_sizes(derivative.shape[-2:], x, wrt, batch_ndim, value)
            try:
                return Dense(derivative, out_shape=out_shape, in_shape=in_shape)
            except (TypeError, ValueError) as error:
                raise type(error)(f"{class_name(self)}.derivative by {wrt}: {error}") from None
        refuse_sparse(derivative, f"{class_name(self)}.derivative")
        raise TypeError(
            f"{class_name(self)}.derivative: found {class_name(derivative)}, expected a Jacobian "
            f"or an array of shape (outputs, inputs)"
        )
