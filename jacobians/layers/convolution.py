"""Layers of images and signals: convolution, pooling of channels, and a scale and shift of each channel.

A point has its channels first, (channels, length) or (channels, height, width). What a window covers is a selection of
entries, and nothing is expanded: a convolution is (W ⊗ I)·S, a mean (I ⊗ 1/k·1ᵀ)·S, a maximum a selection.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.layers.norms import flat
from jacobians.layers.pooling import _selection
from jacobians.numerics.arguments import checked_flag, checked_integer, shown
from jacobians.numerics.arrays import Array, require_budget
from jacobians.structures import BlockDiagonal, Dense, Diagonal, Identity, Jacobian, Kronecker, Selection


class _Windows(Function):
    """What slides over the axes behind the channels."""

    vectorized = True

    def _set_windows(self, window: Any, stride: Any, padding: Any, dilation: Any = 1) -> None:
        self.window = _each(window, "window")
        self.stride = self.window if stride is None else _each(stride, "stride")
        self.dilation = _each(dilation, "dilation")
        pads = padding if isinstance(padding, tuple | list) else (padding,)
        sides = (pad if isinstance(pad, tuple | list) else (pad, pad) for pad in pads)
        self.padding = tuple(tuple(checked_integer(n, "padding", least=0) for n in pair) for pair in sides)
        if any(len(pad) != 2 for pad in self.padding):
            raise ValueError(
                f"padding: found {shown(padding)}, expected an integer or (before, behind) for each axis"
            )

    def _axes(self, shape: tuple[int, ...]) -> list[tuple[int, int, int, tuple[int, int], int]]:
        """Return, for each axis behind the channels: size, window, stride, padding, dilation."""
        space = shape[1:]
        parts = [
            values * len(space) if len(values) == 1 else values
            for values in (self.window, self.stride, self.padding, self.dilation)
        ]
        return [*zip(space, *parts, strict=True)]

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless `shape` is (channels, …) with room for one window."""
        given = {len(v) for v in (self.window, self.stride, self.padding, self.dilation)} - {1}
        fits = len(shape) in (2, 3) and given <= {len(shape) - 1}
        if not fits:
            expected = (
                "(channels, height, width)"
                if 2 in given
                else "(channels, length) or (channels, height, width)"
            )
            more = "; points along the first axis need batched=True" if len(shape) > 3 else ""
            raise ValueError(f"x: found shape {shape}, expected {expected}{more}")
        for n, window, _, pads, dilation in self._axes(shape):
            if n + sum(pads) < (window - 1) * dilation + 1:
                raise ValueError(
                    f"x: found shape {shape}, expected at least {(window - 1) * dilation + 1} entries along each "
                    f"axis behind the channels, padding included: the size of one window"
                )

    def _places(self, shape: tuple[int, ...], batch: tuple[int, ...] = ()) -> tuple[tuple[int, ...], Array]:
        """Return the shape of the outputs, and the places of their windows in one channel, −1 in the padding.

        The places have the shape (entries of a window, outputs).
        """
        counts = []
        axes = self._axes(shape)
        inside = np.ones((1, 1), dtype=bool)
        places = np.zeros((1, 1), dtype=np.intp)
        sizes = [(n + sum(pads) - (w - 1) * d - 1) // s + 1 for n, w, s, pads, d in axes]
        require_budget(
            (*batch, shape[0], math.prod(sizes), math.prod(w for _, w, *_ in axes)),
            np.dtype(np.int64).itemsize,
            f"the windows of {type(self).__name__}",
            "take a larger stride, a smaller window or fewer points at a time",
        )
        for size, (n, w, s, pads, d) in zip(sizes, axes, strict=True):
            counts.append(size)
            along = np.arange(w)[:, None] * d + np.arange(size)[None, :] * s - pads[0]
            valid = (along >= 0) & (along < n)
            places = (places[:, None, :, None] * n + along[None, :, None, :]).reshape(
                places.shape[0] * w, places.shape[1] * size
            )
            inside = (inside[:, None, :, None] & valid[None, :, None, :]).reshape(places.shape)
        return tuple(counts), np.where(inside, places, -1)

    def _all_places(
        self, shape: tuple[int, ...], batch: tuple[int, ...] = ()
    ) -> tuple[tuple[int, ...], Array]:
        """Return the places in all channels: (channels, entries of a window, outputs)."""
        counts, places = self._places(shape, batch)
        area = math.prod(shape[1:])
        starts = (np.arange(shape[0]) * area)[:, None, None]
        return counts, np.where(places < 0, -1, places + starts)

    def _columns(self, x: Any, places: Array, batch_ndim: int) -> Any:
        """Return the entries at some places, 0 in the padding."""
        taken = flat(x, batch_ndim)[..., np.maximum(places, 0)]
        return taken if (places >= 0).all() else np.where(places >= 0, taken, np.zeros((), dtype=x.dtype))


class Convolution(_Windows):
    """y[o] = Σ_c W[o, c] ⋆ x[c] + b[o], a cross-correlation as libraries of networks have it.

    With the entries of all windows as the columns of X, Y = WX + b1ᵀ: the Jacobian is (W ⊗ I)·S with the selection S
    that makes vec X of vec x, by W it is I ⊗ Xᵀ, by b I ⊗ 1.

    Parameters
    ----------
    W : array_like, shape (outputs, channels / groups, k) or (outputs, channels / groups, k, l)
    b : array_like, shape (outputs,), or None
    stride, dilation : int or pair of int
    padding : int, or for each axis an int or a pair (before, behind)
        Zeros around x.
    groups : int
        Into so many equal parts channels and outputs are divided, which meet in pairs.

    Raises
    ------
    TypeError, ValueError
        If an argument is refused.
    MemoryBudgetError
        If the windows together would take more than 2 GiB.

    Examples
    --------
    >>> layer = Convolution([[[1.0, -1.0]]], [0.5])
    >>> layer([[1.0, 3.0, 2.0]])
    array([[-1.5,  1.5]])
    >>> layer.jacobian([[1.0, 3.0, 2.0]]).dense()
    array([[ 1., -1.,  0.],
           [ 0.,  1., -1.]])
    """

    parameter_names = ("W", "b")

    def __init__(
        self, W: Any, b: Any = None, *, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
    ) -> None:
        self.W = self.parameter(W, "W", ndim=(3, 4))
        self.b = None if b is None else self.parameter(b, "b", ndim=1)
        self.groups = checked_integer(groups, "groups")
        outputs = self.W.shape[0]
        if outputs % self.groups:
            raise ValueError(f"groups: found {groups}, expected a divisor of {outputs}, the outputs of W")
        if self.b is not None and self.b.shape != (outputs,):
            raise ValueError(
                f"b: found shape {self.b.shape}, expected ({outputs},), one entry for each output of W"
            )
        self._set_windows(self.W.shape[2:], stride, padding, dilation)

    def check_input(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless `shape` is that of the channels of W with room for one window."""
        super().check_input(shape)
        channels = self.W.shape[1] * self.groups
        if shape[0] != channels:
            raise ValueError(
                f"x: found shape {shape}, expected {channels} channels, as W of {self.W.shape} takes"
            )

    def _parts(self, x: Any, batch_ndim: int) -> tuple[tuple[int, ...], Any]:
        """Return the shape of the outputs and, for each group, the columns X."""
        counts, places = self._all_places(x.shape[batch_ndim:], x.shape[:batch_ndim])
        columns = self._columns(x, places, batch_ndim)
        rows = places.shape[0] * places.shape[1] // self.groups
        return counts, np.reshape(columns, (*x.shape[:batch_ndim], self.groups, rows, places.shape[2]))

    def forward(self, x: Any, batch_ndim: int = 0) -> Any:
        """Return WX + b1ᵀ, group by group."""
        counts, columns = self._parts(x, batch_ndim)
        weights = np.reshape(self.W, (self.groups, self.W.shape[0] // self.groups, -1))
        z = np.reshape(weights @ columns, (*x.shape[:batch_ndim], self.W.shape[0], *counts))
        return z if self.b is None else z + np.reshape(self.b, (-1, *(1 for _ in counts)))

    def derivative(self, x: Any, wrt: str = INPUT, batch_ndim: int = 0) -> Jacobian | tuple[Jacobian, ...]:
        """Return (W ⊗ I)·S as two factors, I ⊗ Xᵀ or I ⊗ 1."""
        outputs, dtype = self.W.shape[0], np.result_type(x.dtype, self.W.dtype)
        point = x.shape[batch_ndim:]
        counts, places = self._all_places(point, x.shape[:batch_ndim])
        area, out_shape = math.prod(counts), (outputs, *counts)
        own = Identity.unchecked(outputs // self.groups, dtype=dtype)
        if wrt == "b":
            every = Identity.unchecked(outputs, dtype=dtype)
            ones = Dense.unchecked(np.ones((area, 1), dtype=dtype))
            return Kronecker.unchecked(every, ones, out_shape=out_shape, in_shape=(outputs,))
        if wrt == INPUT:
            weights = np.reshape(self.W, (self.groups, outputs // self.groups, -1))
            each = Identity.unchecked(area, dtype=dtype)
            products = [Kronecker.unchecked(Dense.unchecked(part), each) for part in weights]
            chosen = Selection.unchecked(
                places.reshape(-1), math.prod(point), repeats=True, in_shape=point, dtype=dtype
            )
            return _together(products, out_shape, (places.size,)), chosen
        _, columns = self._parts(x, batch_ndim)
        parts = [
            Kronecker.unchecked(own, Dense.unchecked(columns[..., group, :, :].mT))
            for group in range(self.groups)
        ]
        return _together(parts, out_shape, self.W.shape)

    def __repr__(self) -> str:
        return f"Convolution(W: {self.W.shape}{_options(self)})"


def _together(parts: Sequence[Jacobian], out_shape: tuple[int, ...], in_shape: tuple[int, ...]) -> Jacobian:
    whole = parts[0] if len(parts) == 1 else BlockDiagonal.unchecked(list(parts))
    return whole.reshaped(out_shape, in_shape)


class ChannelMaxPool(_Windows):
    """The largest entry of each window of each channel; the Jacobian is a selection.

    Parameters
    ----------
    window : int or pair of int
    stride : int or pair of int, optional
        By default windows don't overlap.
    padding : int, or for each axis an int or a pair (before, behind)
        Places that no maximum is taken of.

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

    def __init__(self, window: Any, stride: Any = None, *, padding: Any = 0) -> None:
        self._set_windows(window, stride, padding)

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
            repeats=any(s < w for _, w, s, *_ in self._axes(point)),
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
        return f"ChannelMaxPool({self.window}{_options(self)})"


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
        return f"ChannelMeanPool({self.window}{_options(self)})"


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


def _each(value: Any, name: str) -> tuple[int, ...]:
    """Return an integer or one for each axis as a tuple."""
    parts = tuple(value) if isinstance(value, tuple | list) else (value,)
    if len(parts) not in (1, 2):
        raise ValueError(f"{name}: found {shown(value)}, expected an integer or a pair of them")
    return tuple(checked_integer(part, name) for part in parts)


def _options(layer: Any) -> str:
    """Return what is not as usual, for repr."""
    named = {
        "stride": (layer.stride, layer.window if not isinstance(layer, Convolution) else (1,)),
        "padding": (layer.padding, ((0, 0),)),
        "dilation": (layer.dilation, (1,)),
        "groups": (getattr(layer, "groups", 1), 1),
    }
    return "".join(f", {name}={value}" for name, (value, usual) in named.items() if value != usual)
