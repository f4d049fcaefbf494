"""The matrix of a one-dimensional convolution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from jacobians.cost import Count
from jacobians.numerics.arguments import checked_integer
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.ledger import Ledger
from jacobians.spec import Spec, points
from jacobians.structures.base import Jacobian
from jacobians.structures.display import first_point, latex_vector
from jacobians.structures.euclidean import euclidean
from jacobians.structures.linear_map import Shape
from jacobians.structures.options import checked_options


class Toeplitz(Jacobian):
    """T[i, j] = kernel[j − i] for 0 ≤ j − i < k, shape (n − k + 1, n): the "valid" convolution of learning.

    T·x slides the kernel over x, as layers do: ``np.correlate(x, kernel, "valid")``. For the convolution of
    mathematics the kernel is turned over, ``Toeplitz(kernel[::-1], n)``. The transpose, ``np.convolve(u, kernel)``
    with its n outputs, is a Toeplitz too. Stores k numbers a point.

    Parameters
    ----------
    kernel : array_like, shape (…, k)
    n : int
        The number of inputs, at least k.
    out_shape, in_shape, batch_shape
        As in :class:`Identity`.

    Raises
    ------
    TypeError, ValueError
        If the kernel is no real array of at least one axis, or n is no integer or less than k.

    Examples
    --------
    >>> Toeplitz([1.0, 2.0], 3).dense()
    array([[1., 2., 0.],
           [0., 1., 2.]])
    """

    structure = "Toeplitz"
    _places = True
    _colour = "#e07a00"
    _fields = ("kernel",)
    _entries = True
    kernel: Array

    def __init__(
        self,
        kernel: Any,
        n: int,
        *,
        out_shape: Shape | None = None,
        in_shape: Shape | None = None,
        batch_shape: Shape | None = None,
    ) -> None:
        array = real_array(kernel, "kernel", foreign="refuse")
        if array.ndim == 0:
            raise ValueError("kernel: found a scalar, expected an array of shape (k,)")
        size = checked_integer(n, "n", least=array.shape[-1])
        self._init(array, size, *checked_options(out_shape, in_shape, batch_shape))

    def _init(self, kernel: Array, n: int, *options: Any, full: bool = False, **named: Any) -> None:
        self.kernel = kernel
        k = kernel.shape[-1]
        m, n = (n, n - k + 1) if full else (n - k + 1, n)
        spec = Spec.of(self.structure, m, n, tuple(kernel.shape[:-1]), length=k, full=full)
        self._set(spec, *options, **named)

    @classmethod
    def _arrays(cls, spec: Spec) -> dict[str, Shape]:
        return {"kernel": (spec.length,)}

    @classmethod
    def _transposed(cls, spec: Spec) -> Spec:
        return Spec.of(cls.structure, *spec.shape[::-1], spec.batch, length=spec.length, full=not spec.full)

    @classmethod
    def _apply_cost(cls, spec: Spec, columns: Any, batch: Shape) -> Count:
        """Return k products for each place of the kernel and column; the sums of those that meet."""
        shorter, k = min(spec.shape), spec.length
        added = (shorter - spec.full) * (k - 1)
        return points(spec.batch, batch) * columns * Count(shorter * k, added)

    @classmethod
    def _unflatten(
        cls, spec: Spec, arrays: dict[str, Array], parts: Sequence[Jacobian], dtype: Any
    ) -> Toeplitz:
        return cls.unchecked(arrays["kernel"], max(spec.shape), full=spec.full)

    def _expand(self, ledger: Ledger, out: Array | None = None) -> Array:
        count, k = min(self.shape), self.spec.length
        home, batch = self.home, self.spec.batch
        # k numbers and n − k + 1 zeros, over and over: each row begins one later
        gap = home.zeros((*batch, count), self.dtype)
        line = home.namespace.concat([self.kernel, gap], axis=-1)
        lines = home.namespace.broadcast_to(line[..., None, :], (*batch, count, k + count))
        flat = home.namespace.reshape(lines, (*batch, count * (k + count)))
        dense = home.namespace.reshape(flat[..., : count * max(self.shape)], (*batch, count, max(self.shape)))
        return cast(Array, dense.mT if self.spec.full else dense)

    def _apply(self, columns: Array, ledger: Ledger) -> Array:
        # a step for each number of the kernel, on all columns at once
        count, k = min(self.shape), self.spec.length
        terms = [self.kernel[..., place][..., None, None] for place in range(k)]
        if not self.spec.full:
            total = ledger.scale(terms[0], columns[..., :count, :])
            for place in range(1, k):
                total = ledger.add(total, ledger.scale(terms[place], columns[..., place : place + count, :]))
            return total
        total = ledger.scale(terms[0], columns)
        for place in range(1, k):
            found = ledger.scale(terms[place], columns)
            # rows place … place + count − 1: those before stay, the last one is new
            met = ledger.add(total[..., place:, :], found[..., : count - 1, :]) if count > 1 else None
            parts = [total[..., :place, :]] + ([] if met is None else [met]) + [found[..., count - 1 :, :]]
            total = self.home.namespace.concat(parts, axis=-2)
        return total

    def _at(self, rows: Array, columns: Array) -> Array:
        place = rows - columns if self.spec.full else columns - rows
        there = (place >= 0) & (place < self.spec.length)
        return np.where(there, self.kernel[..., np.where(there, place, 0)], np.zeros((), self.dtype))

    def _row_norms(self) -> Array:
        if not self.spec.full:
            norm = euclidean(self.kernel)[..., None]
            return np.broadcast_to(norm, (*self.spec.batch, self.shape[0]))
        # each row has a run of the kernel, as wide as there are columns: the end of a block, and the beginning of
        # the next (van Herk, 1992)
        m, wide = self.shape
        blocks = -(-(m + wide - 1) // wide)
        padded = np.zeros((*self.spec.batch, blocks * wide), self.dtype)
        padded[..., wide - 1 : wide - 1 + self.spec.length] = self.kernel
        padded = padded.reshape(*self.spec.batch, blocks, wide)
        begins, ends = (
            np.hypot.accumulate(np.abs(padded[..., ::step]), axis=-1)[..., ::step].reshape(
                *self.spec.batch, -1
            )
            for step in (1, -1)
        )
        begins[..., wide - 1 :: wide] = 0  # a run that is a block has it all in its end
        return np.hypot(ends[..., :m], begins[..., wide - 1 : wide - 1 + m])

    def _transpose(self) -> Jacobian:
        return Toeplitz.unchecked(self.kernel, max(self.shape), full=not self.spec.full)

    def _scale(self, factor: Any) -> Jacobian:
        return Toeplitz.unchecked(self.kernel * factor, max(self.shape), full=self.spec.full)

    def _latex(self) -> str:
        turned = r"^{\mathsf T}" if self.spec.full else ""
        return rf"T({latex_vector(first_point(self.kernel, 1))}){turned}"
