"""Maxima: of two arrays entry by entry, and over windows. Their Jacobians are selections.

A tie belongs to the first: to x in max(x, y), to the first of the largest entries of a window (row by row).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.layers.norms import flat
from jacobians.numerics.arguments import checked_integer, shown
from jacobians.numerics.arrays import Array, possible, require_budget
from jacobians.structures import Jacobian, Selection


def _selection(indices: Array, missing: Array, size: int, dtype: Any, **options: Any) -> Selection:
    """Return a selection; where a NaN was compared, its entries are NaN in place of ones."""
    weights = np.where(missing, np.nan, 1).astype(dtype) if possible(missing) else None
    return Selection.unchecked(indices, size, weights, dtype=dtype, **options)


class Maximum(Function):
    """z = max(x, y) entry by entry; ∂z/∂x is 1 where x ≥ y and 0 else, ∂z/∂y the other way round.

    Both are selections, which keep a place for each output and no number. Without y the first half of x along its
    first axis is compared with the second half: max of two values of one function, (2n, …) ↦ (n, …).

    Parameters
    ----------
    y : array_like or None
        A parameter of the shape of x.

    Raises
    ------
    TypeError, ValueError
        If y is refused, x has another shape than y, or without y no even first axis.

    Notes
    -----
    Kinks: x = y, where the tie belongs to x: ∂z/∂x = 1 and ∂z/∂y = 0.

    Examples
    --------
    >>> layer = Maximum([2.0, 2.0, 2.0])
    >>> layer([1.0, 2.0, 3.0])
    array([2., 2., 3.])
    >>> J = layer.jacobian([1.0, 2.0, 3.0])
    >>> J.structure, J.indices, J.storage
    ('Selection', array([-1,  1,  2]), 3)
    >>> layer.jacobian([1.0, 2.0, 3.0], wrt="y").dense()
    array([[1., 0., 0.],
           [0., 0., 0.],
           [0., 0., 0.]])
    >>> Maximum().jacobian([1.0, 5.0, 3.0, 4.0]).indices
    array([2, 1])
    """

    parameter_names = ("y",)
    vectorized = True

    def __init__(self, y: Any = None) -> None:
        self.y = None if y is None else self.parameter(y, "y")

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless `shape` is that of y, or has an even first axis."""
        if self.y is not None and shape != self.y.shape:
            raise ValueError(
                f"x: found shape {shape}, expected {self.y.shape}, the shape of y; NumPy would broadcast "
                f"another one: reshape it, or pass batched=True for points along the first axis"
            )
        if self.y is None and (len(shape) == 0 or shape[0] % 2):
            raise ValueError(f"x: found shape {shape}, expected two halves along an even first axis (2n, …)")

    def _sides(self, x: Any, batch_ndim: int) -> tuple[Any, Any]:
        if self.y is not None:
            return x, self.y
        half = x.shape[batch_ndim] // 2
        points = (slice(None),) * batch_ndim
        return x[(*points, slice(None, half))], x[(*points, slice(half, None))]

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return max(x, y)."""
        first, second = self._sides(x, batch_ndim)
        return np.maximum(first, second)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return the selection of what is largest, without a place where the other argument is."""
        first, second = self._sides(x, batch_ndim)
        point = x.shape[batch_ndim:]
        first_wins = flat(first >= second, batch_ndim)
        missing = flat(np.isnan(first) | np.isnan(second), batch_ndim)
        places = np.arange(first_wins.shape[-1])
        options: dict[str, Any] = {"out_shape": first.shape[batch_ndim:], "in_shape": point, "repeats": False}
        dtype = np.result_type(first.dtype, second.dtype)
        if self.y is None:
            chosen = np.where(first_wins, places, places + places.size)
        else:
            chosen = np.where(missing | (first_wins == (wrt == INPUT)), places, -1)
        return _selection(chosen, missing, math.prod(point), dtype, **options)

    def smooth_piece(self, x: Any) -> Array | None:
        """Return, for each output, the sign of x − y."""
        first, second = self._sides(np.asarray(x), 0)
        return np.ravel(np.greater(first, second).astype(int) - np.less(first, second))


class MaxPool(Function):
    """The largest entry of each window, over one or two axes; the Jacobian is a selection.

    _Windows that don't fit as a whole are left out, as in most libraries: n entries make
    ⌊(n − window)/stride⌋ + 1 outputs.

    Parameters
    ----------
    window : int or pair of int
        The sizes of the windows: a pair for matrices, an int for vectors and, along both axes, for matrices.
    stride : int or pair of int, optional
        The steps between windows; by default they are as large as the windows, which then don't overlap.

    Raises
    ------
    TypeError, ValueError
        If a size is no integer of at least 1, x has another number of axes, or a window is larger than x.
    MemoryBudgetError
        If the entries of all windows together would take more than 2 GiB.

    Notes
    -----
    Kinks: windows with several largest entries; the tie belongs to the first of them, row by row.

    Examples
    --------
    >>> MaxPool(2)([1.0, 3.0, 2.0, 2.0])
    array([3., 2.])
    >>> MaxPool(2).jacobian([1.0, 3.0, 2.0, 2.0])
    <Selection 2×4: 2×4, out (2,), in (4,), 2 of 8 numbers stored>
    >>> MaxPool((2, 2), stride=1)([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 9.0, 8.0]])
    array([[5., 6.],
           [9., 9.]])
    """

    vectorized = True

    def __init__(self, window: Any, stride: Any = None) -> None:
        self.window = _sizes(window, "window")
        self.stride = self.window if stride is None else _sizes(stride, "stride")

    def _axes(self, ndim: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return window and stride, one number an axis."""
        window, stride = (sizes * ndim if len(sizes) == 1 else sizes for sizes in (self.window, self.stride))
        return window, stride

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless `shape` has the axes of the window and room for one."""
        pair = max(len(self.window), len(self.stride)) == 2
        if len(shape) not in ((2,) if pair else (1, 2)):
            expected = "(h, w)" if pair else "(n,) or (h, w)"
            hint = "; points along the first axis need batched=True" if len(shape) > 1 else ""
            raise ValueError(f"x: found shape {shape}, expected {expected} for {self!r}{hint}")
        window, _ = self._axes(len(shape))
        if any(size > n for size, n in zip(window, shape, strict=True)):
            raise ValueError(f"x: found shape {shape}, expected at least {window}, the size of one window")

    def _windows(self, shape: tuple[int, ...], batch: tuple[int, ...] = ()) -> tuple[tuple[int, ...], Array]:
        """Return the shape of the output and, for each output, the places of its window in x, row by row."""
        window, stride = self._axes(len(shape))
        counts = tuple((n - w) // s + 1 for n, w, s in zip(shape, window, stride, strict=True))
        require_budget(
            (*batch, math.prod(counts), math.prod(window)),
            np.dtype(np.int64).itemsize,
            f"the windows of {self!r}",
            "take a larger stride, a smaller window or fewer points at a time",
        )
        strides = [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]
        starts, steps = (
            np.array([0]),
            np.array([0]),
        )
        for count, s, w, width in zip(counts, stride, window, strides, strict=True):
            starts = (starts[:, None] + np.arange(count) * (s * width)).ravel()
            steps = (steps[:, None] + np.arange(w) * width).ravel()
        return counts, starts[:, None] + steps

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return the largest entry of each window."""
        counts, places = self._windows(x.shape[batch_ndim:], x.shape[:batch_ndim])
        return np.max(flat(x, batch_ndim)[..., places], axis=-1).reshape((*x.shape[:batch_ndim], *counts))

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return the selection of the first largest entry of each window."""
        point = x.shape[batch_ndim:]
        counts, places = self._windows(point, x.shape[:batch_ndim])
        windows = flat(x, batch_ndim)[..., places]
        largest = np.argmax(windows, axis=-1)[..., None]
        chosen = np.take_along_axis(np.broadcast_to(places, windows.shape), largest, axis=-1)[..., 0]
        window, stride = self._axes(len(point))
        return _selection(
            chosen,
            np.isnan(windows).any(axis=-1),
            math.prod(point),
            x.dtype,
            repeats=any(s < w for s, w in zip(stride, window, strict=True)),
            out_shape=counts,
            in_shape=point,
        )

    def smooth_piece(self, x: Any) -> Array | None:
        """Return, for each window, the place of its first largest entry and the number of those."""
        _, places = self._windows(np.shape(x))
        windows = np.ravel(x)[places]
        ties = np.count_nonzero(windows == windows.max(axis=-1, keepdims=True), axis=-1)
        return np.concatenate([np.argmax(windows, axis=-1), ties])

    def __repr__(self) -> str:
        window, stride = (sizes[0] if len(sizes) == 1 else sizes for sizes in (self.window, self.stride))
        return f"MaxPool({window})" if stride == window else f"MaxPool({window}, stride={stride})"


def _sizes(value: Any, name: str) -> tuple[int, ...]:
    """Return an integer or a pair of integers, each at least 1, as a tuple."""
    parts = value if isinstance(value, tuple | list) else (value,)
    if any(isinstance(part, bool) or not isinstance(part, int | np.integer) for part in parts):
        raise TypeError(f"{name}: found {shown(value)}, expected an integer or a pair of integers")
    if len(parts) not in (1, 2) or min(parts) < 1:
        raise ValueError(
            f"{name}: found {shown(value)}, expected an integer or a pair of them, each at least 1"
        )
    return tuple(checked_integer(part, name) for part in parts)
