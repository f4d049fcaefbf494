"""Layers channel by channel: maxima and means of windows, and a scale and a shift."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.layers.convolution import _Windows, options
from jacobians.layers.norms import flat
from jacobians.layers.pooling import _selection
from jacobians.numerics.arguments import checked_flag
from jacobians.numerics.arrays import Array
from jacobians.structures import Dense, Diagonal, Identity, Jacobian, Kronecker, Selection


class ChannelMaxPool(_Windows):
    """The largest entry of each window of each channel; the Jacobian is a selection.

    Parameters
    ----------
    window : int or pair of int
    stride : int or pair of int, optional
        By default windows don't overlap.
    padding : int, or for each axis an int or a pair (before, behind)
        Places that no maximum is taken of.
    dilation : int or pair of int
        The steps between the entries of a window.

    Raises
    ------
    TypeError, ValueError
        If an argument is refused, or a window lies in the padding as a whole.

    Notes
    -----
    Kinks: windows with several largest entries; the tie belongs to the first of them, row by row.

    Examples
    --------
    >>> ChannelMaxPool(2)([[1.0, 3.0, 2.0, 5.0]])
    array([[3., 5.]])
    """

    def __init__(self, window: Any, stride: Any = None, *, padding: Any = 0, dilation: Any = 1) -> None:
        self._set_windows(window, stride, padding, dilation)

    def _filled(self, shape: tuple[int, ...], batch: tuple[int, ...] = ()) -> tuple[tuple[int, ...], Array]:
        """Return the places with the first of a window in the place of its padding, which changes no maximum."""
        counts, places = self._all_places(shape, batch)
        first = np.take_along_axis(places, np.argmax(places >= 0, axis=1)[:, None, :], axis=1)
        if (first < 0).any():
            raise ValueError(
                f"padding: found {self.padding}, expected less than a window: one lies in it as a whole"
            )
        return counts, np.where(places < 0, first, places)

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return the largest entry of each window."""
        counts, places = self._filled(x.shape[batch_ndim:], x.shape[:batch_ndim])
        largest = np.max(flat(x, batch_ndim)[..., places], axis=-2)
        return np.reshape(largest, (*x.shape[: batch_ndim + 1], *counts))

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return the selection of the first largest entry of each window."""
        point, batch = x.shape[batch_ndim:], x.shape[:batch_ndim]
        counts, places = self._filled(point, batch)
        windows = flat(x, batch_ndim)[..., places]
        at = np.argmax(windows, axis=-2)[..., None, :]
        chosen = np.take_along_axis(np.broadcast_to(places, windows.shape), at, axis=-2)
        return _selection(
            chosen.reshape(*batch, -1),
            np.isnan(windows).any(axis=-2).reshape(*batch, -1),
            math.prod(point),
            x.dtype,
            repeats=any(s < (w - 1) * d + 1 for _, w, s, _, d in self._axes(point)),
            out_shape=(point[0], *counts),
            in_shape=point,
        )

    def smooth_piece(self, x: Any) -> Array | None:
        """Return, for each window, the place of its first largest entry and the number of those."""
        _, places = self._all_places(np.shape(x))
        windows = np.where(places < 0, -np.inf, np.ravel(x)[np.maximum(places, 0)])
        ties = np.count_nonzero(windows == windows.max(axis=1, keepdims=True), axis=1)
        return np.concatenate([np.argmax(windows, axis=1).ravel(), ties.ravel()])

    def __repr__(self) -> str:
        return f"ChannelMaxPool({self.window}{options(self)})"


class ChannelMeanPool(_Windows):
    """The mean of each window of each channel; the Jacobian is (I ⊗ 1/k·1ᵀ)·S, with k entries in a window.

    Parameters
    ----------
    window : int or pair of int
    stride : int or pair of int, optional
        By default windows don't overlap.
    padding : int, or for each axis an int or a pair (before, behind)
        Zeros around x.
    count_padding : bool
        Whether the zeros count in the mean; otherwise each window is divided by the entries of x in it.

    Raises
    ------
    TypeError, ValueError
        If an argument is refused.

    Examples
    --------
    >>> ChannelMeanPool(2)([[1.0, 3.0, 2.0, 5.0]])
    array([[2. , 3.5]])
    """

    def __init__(
        self, window: Any, stride: Any = None, *, padding: Any = 0, count_padding: bool = True
    ) -> None:
        self._set_windows(window, stride, padding)
        self.count_padding = checked_flag(count_padding, "count_padding")

    def _weights(self, places: Array, dtype: Any) -> Array:
        """Return one over the number of entries of each window."""
        counts = (
            np.full(places.shape[-1], places.shape[-2])
            if self.count_padding
            else (places[0] >= 0).sum(axis=0)
        )
        return (1 / np.maximum(counts, 1)).astype(dtype)

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return the mean of each window."""
        counts, places = self._all_places(x.shape[batch_ndim:], x.shape[:batch_ndim])
        sums = self._columns(x, places, batch_ndim).sum(axis=-2)
        return np.reshape(sums * self._weights(places, x.dtype), (*x.shape[: batch_ndim + 1], *counts))

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> tuple[Jacobian, ...]:
        """Return (I ⊗ w·1ᵀ)·S, and a diagonal before it where windows have weights of their own."""
        point = x.shape[batch_ndim:]
        counts, places = self._all_places(point, x.shape[:batch_ndim])
        weights = self._weights(places, x.dtype)
        order = places.transpose(0, 2, 1).reshape(-1)  # window by window
        chosen = Selection.unchecked(order, math.prod(point), repeats=True, in_shape=point, dtype=x.dtype)
        own = bool((weights == weights[0]).all())
        row = np.full((1, places.shape[1]), weights[0] if own else 1, dtype=x.dtype)
        outputs = places.shape[0] * places.shape[2]
        out_shape = (point[0], *counts)
        means = Kronecker.unchecked(
            Identity.unchecked(outputs, dtype=x.dtype),
            Dense.unchecked(row),
            out_shape=out_shape,
            in_shape=(order.size,),
        )
        if own:
            return means, chosen
        d = np.tile(weights, places.shape[0])
        return Diagonal.unchecked(d, out_shape=out_shape, in_shape=out_shape), means, chosen

    def __repr__(self) -> str:
        return f"ChannelMeanPool({self.window}{options(self)})"


class ChannelScale(Function):
    """y[c] = scale[c]·x[c] + shift[c], whatever axes are behind: a batch normalization in use, or a standardization.

    The Jacobian is diagonal; by the scale it is the entries of x of each channel, by the shift I ⊗ 1.

    Parameters
    ----------
    scale, shift : array_like, shape (channels,), or None
        One that is None is no parameter.

    Raises
    ------
    TypeError, ValueError
        If both are None, or they are no vectors of one length.

    Examples
    --------
    >>> ChannelScale([2.0, 3.0], [0.0, 1.0])([[1.0, 1.0], [1.0, 2.0]])
    array([[2., 2.],
           [4., 7.]])
    """

    parameter_names = ("scale", "shift")
    vectorized = True

    def __init__(self, scale: Any = None, shift: Any = None) -> None:
        self.scale = None if scale is None else self.parameter(scale, "scale", ndim=1)
        self.shift = None if shift is None else self.parameter(shift, "shift", ndim=1)
        shapes = [value.shape for value in (self.scale, self.shift) if value is not None]
        if not shapes:
            raise ValueError("scale, shift: found None and None, expected at least one vector")
        if len({*shapes}) > 1:
            raise ValueError(f"shift: found shape {shapes[1]}, expected {shapes[0]}, that of scale")
        self._channels = shapes[0][0]

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless the first axis is that of the channels."""
        if not shape or shape[0] != self._channels:
            hint = "; points along the first axis need batched=True" if len(shape) > 1 else ""
            raise ValueError(f"x: found shape {shape}, expected ({self._channels}, …), channels first{hint}")

    @staticmethod
    def _spread(value: Any, x: Any, batch_ndim: int) -> Any:
        """Return one number a channel in the shape that broadcasts against x."""
        return np.reshape(value, (-1, *(1 for _ in x.shape[batch_ndim + 1 :])))

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return scale ⊙ x + shift."""
        y = x if self.scale is None else self._spread(self.scale, x, batch_ndim) * x
        return y if self.shift is None else y + self._spread(self.shift, x, batch_ndim)

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian:
        """Return diag(scale), the entries of x in the column of their channel, or I ⊗ 1."""
        point = x.shape[batch_ndim:]
        dtype = np.result_type(x.dtype, *(value.dtype for value in self.parameters.values()))
        area = math.prod(point[1:])
        if wrt == INPUT:
            if self.scale is None:
                return Identity.unchecked(math.prod(point), out_shape=point, in_shape=point, dtype=dtype)
            return Diagonal.unchecked(np.repeat(self.scale, area), out_shape=point, in_shape=point)
        every = Identity.unchecked(self._channels, dtype=dtype)
        ones = Dense.unchecked(np.ones((area, 1), dtype=dtype))
        own = (self._channels,)
        if wrt == "shift":
            return Kronecker.unchecked(every, ones, out_shape=point, in_shape=own)
        if area == 1:
            return Diagonal.unchecked(flat(x, batch_ndim), out_shape=point, in_shape=own)
        channel = np.repeat(np.arange(self._channels), area)
        return Selection.unchecked(
            channel, self._channels, flat(x, batch_ndim), repeats=True, out_shape=point, in_shape=own
        )
