"""_Windows that slide over the axes behind the channels, and convolutions.

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
from jacobians.numerics.arguments import checked_integer, shown
from jacobians.numerics.arrays import Array, require_budget
from jacobians.numerics.blas_threads import product
from jacobians.structures import BlockDiagonal, Dense, Identity, Jacobian, Kronecker, Selection


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
        z = np.reshape(product(weights, columns), (*x.shape[:batch_ndim], self.W.shape[0], *counts))
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
        return f"Convolution(W: {self.W.shape}{options(self)})"


def _together(parts: Sequence[Jacobian], out_shape: tuple[int, ...], in_shape: tuple[int, ...]) -> Jacobian:
    whole = parts[0] if len(parts) == 1 else BlockDiagonal.unchecked(list(parts))
    return whole.reshaped(out_shape, in_shape)


def _each(value: Any, name: str) -> tuple[int, ...]:
    """Return an integer or one for each axis as a tuple."""
    parts = tuple(value) if isinstance(value, tuple | list) else (value,)
    if len(parts) not in (1, 2):
        raise ValueError(f"{name}: found {shown(value)}, expected an integer or a pair of them")
    return tuple(checked_integer(part, name) for part in parts)


def options(layer: Any) -> str:
    """Return what is not as usual, for repr."""
    named = {
        "stride": (layer.stride, layer.window if not isinstance(layer, Convolution) else (1,)),
        "padding": (layer.padding, ((0, 0),)),
        "dilation": (layer.dilation, (1,)),
        "groups": (getattr(layer, "groups", 1), 1),
    }
    return "".join(f", {name}={value}" for name, (value, usual) in named.items() if value != usual)
