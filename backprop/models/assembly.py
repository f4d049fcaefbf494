"""Putting an imported network together: named values, layers between them, and what is not supported."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jacobians import (
    Affine,
    ChannelMaxPool,
    ChannelMeanPool,
    ChannelScale,
    Flatten,
    Function,
    LayerNorm,
    Reshape,
    Sequential,
    Transpose,
)
from jacobians.layers.layer_graph import LayerGraph
from jacobians.numerics.arrays import Array, require_budget


class NotSupported(Exception):  # noqa: N818  # a part's reason, collected into one error
    """Why a part of a source has no counterpart."""


class Assembly:
    """Layers by the names of their values; each is run at a point as it is added, so that shapes are known.

    Parameters
    ----------
    name : str
        What the source calls the input.
    shape : tuple of int
        Of one point.
    """

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.nodes: list[tuple[Function | str, tuple[int, ...]]] = []
        self.places: dict[str, int] = {name: -1}
        self.shapes: dict[str, tuple[int, ...]] = {name: shape}
        require_budget(shape, 8, f"one point of shape {shape}", "take a model of a smaller input")
        self._values: dict[int, Array] = {-1: np.random.default_rng(0).normal(size=shape)}

    def add(self, name: str, layer: Function, source: str) -> None:
        """Add a layer of a named value; an affine layer without a bias takes the shift behind it as one."""
        place = self.places[source]
        before = self.nodes[place][0] if place >= 0 else None
        if (
            isinstance(layer, ChannelScale)
            and layer.scale is None
            and isinstance(before, Affine)
            and before.b is None
            and place == len(self.nodes) - 1
        ):
            self.nodes[place] = (Affine(before.W, layer.shift), self.nodes[place][1])
            value = self._values[place] + layer.shift
            self._note(name, place, value)
            return
        layer.check_input(self.shapes[source])
        self._place(name, (layer, (place,)), layer(self._values[place]))

    def same(self, name: str, source: str) -> None:
        """Give a value a second name: what does nothing when a network is used."""
        self.places[name], self.shapes[name] = self.places[source], self.shapes[source]

    def join(self, name: str, kind: str, sources: Sequence[str]) -> None:
        """Add a sum, a product or a concatenation along the first axis."""
        places = tuple(self.places[source] for source in sources)
        made = LayerGraph([*self.nodes, (kind, places)]) if self.nodes else LayerGraph([(kind, places)])
        self._place(name, (kind, places), made(self._values[-1]))

    def _place(self, name: str, node: tuple[Function | str, tuple[int, ...]], value: Array) -> None:
        self.nodes.append(node)
        self._note(name, len(self.nodes) - 1, value)

    def _note(self, name: str, place: int, value: Array) -> None:
        self.places[name], self.shapes[name], self._values[place] = place, tuple(value.shape), value

    def function(self, output: str) -> Function:
        """Return what leads to a value: a Sequential where no paths meet."""
        needed: set[int] = set()
        waiting = [self.places[output]]
        while waiting:
            place = waiting.pop()
            if place >= 0 and place not in needed:
                needed.add(place)
                waiting += self.nodes[place][1]
        kept = sorted(needed)
        if not kept:
            return Sequential(Reshape(self.shapes[output]))
        number = {place: k for k, place in enumerate(kept)} | {-1: -1}
        nodes = [(self.nodes[place][0], tuple(number[k] for k in self.nodes[place][1])) for place in kept]
        if all(sources == (k - 1,) for k, (_, sources) in enumerate(nodes)):
            return Sequential(*(layer for layer, _ in nodes if isinstance(layer, Function)))
        return LayerGraph(nodes)

    # --- what libraries call by one name, and we make of several layers ----------------------------------

    def transpose(self, name: str, source: str, order: Sequence[int]) -> None:
        """Put the axes in another order, in which 0 is that of points."""
        axes = len(self.shapes[source]) + 1
        moved = [axis % axes for axis in order]
        if len(moved) != axes or moved[0] != 0:
            raise NotSupported(f"to {list(order)}, which moves the axis of points")
        self.add(name, Transpose(tuple(axis - 1 for axis in moved[1:])), source)

    def concatenate(self, name: str, sources: Sequence[str], axis: int) -> None:
        """Concatenate values along an axis, 1 for the first behind that of points."""
        axes = len(self.shapes[sources[0]])
        place = axis % (axes + 1) - 1
        if place < 0:
            raise NotSupported("along the axis of points")
        if len(sources) == 1:
            self.same(name, sources[0])
        elif place == 0:
            self.join(name, "concatenate", sources)
        else:
            order = (place, *(k for k in range(axes) if k != place))
            for source in dict.fromkeys(sources):
                self.add(f"{name}, {source} turned", Transpose(order), source)
            self.join(f"{name}, turned", "concatenate", [f"{name}, {source} turned" for source in sources])
            self.add(name, Transpose(tuple(order.index(k) for k in range(axes))), f"{name}, turned")

    def affine(self, name: str, source: str, W: Array, b: Any) -> None:
        """Apply Wx + b along the last axis."""
        shape, layer = self.shapes[source], Affine(W, b)
        if len(shape) < 2:
            self.add(name, layer, source)
            return
        turned, flat, made = (f"{name}, {step}" for step in ("turned", "flat", "made"))
        self.add(turned, Transpose((len(shape) - 1, *range(len(shape) - 1))), source)
        self.add(flat, Reshape((shape[-1], math.prod(shape[:-1]))), turned)
        self.add(made, layer, flat)
        self.add(f"{made} whole", Reshape((W.shape[0], *shape[:-1])), made)
        self.add(name, Transpose((*range(1, len(shape)), 0)), f"{made} whole")

    def whole_norm(self, name: str, source: str, gamma: Any, beta: Any, eps: float) -> None:
        """Normalize all entries of a point by their own mean and variance."""
        scale, shift = (None if own is None else np.ravel(own) for own in (gamma, beta))
        self.as_vector(name, source, LayerNorm(scale, shift, eps))

    def as_vector(self, name: str, source: str, layer: Function) -> None:
        """Apply a layer of vectors to all entries of a point, row by row."""
        shape = self.shapes[source]
        if len(shape) == 1:
            self.add(name, layer, source)
            return
        self.add(f"{name}, flat", Flatten(), source)
        self.add(f"{name}, made", layer, f"{name}, flat")
        self.add(name, Reshape(shape), f"{name}, made")

    def constant(self, name: str, source: str, value: Any, scales: bool) -> None:
        """Multiply by a constant, or add it: by channel where it is that, else entry by entry."""
        shape, given = self.shapes[source], np.asarray(value)
        if not shape:
            raise NotSupported("of a single number and a constant")
        own = given.shape[1:] if given.ndim == len(shape) + 1 and given.shape[0] == 1 else given.shape
        try:
            fits = np.broadcast_shapes(own, shape) == shape
        except ValueError:
            fits = False
        if not fits:
            raise NotSupported(f"of a value of shape {shape} and a constant of shape {given.shape}")
        channels = per_channel(given, shape)
        if channels is not None:
            self.add(name, ChannelScale(*((channels, None) if scales else (None, channels))), source)
            return
        full = np.broadcast_to(given.reshape(own), shape).ravel()
        self.as_vector(name, source, ChannelScale(*((full, None) if scales else (None, full))))

    def pool(
        self, name: str, source: str, window: Sequence[int], stride: Sequence[int], pads: Sequence[Any], *,
        mean: bool, count_padding: bool = False, dilation: Sequence[int] = (1,), ceil: bool = False,
    ) -> None:  # fmt: skip
        """Take maxima or means of windows; rounded up, those that begin before the end stand over it."""
        layer: Function
        pads, dilation = [*pads], [*dilation] * (len(window) if len(dilation) == 1 else 1)
        if ceil:
            more = beyond(self.shapes[source][1:], window, stride, pads, dilation)
            if mean and count_padding and any(more):
                if any(map(any, pads)):
                    raise NotSupported("ceil_mode of means that count a padding")
                count_padding = False  # only what stands over isn't counted, and there is no other padding
            pads = [(first, last + own) for (first, last), own in zip(pads, more, strict=True)]
        if mean:
            if set(dilation) != {1}:
                raise NotSupported("dilations")
            layer = ChannelMeanPool(tuple(window), tuple(stride), padding=pads, count_padding=count_padding)
        else:
            layer = ChannelMaxPool(tuple(window), tuple(stride), padding=pads, dilation=tuple(dilation))
        self.add(name, layer, source)


# --- windows ---------------------------------------------------------------------------------------------


def same_sides(space: Sequence[int], window: Sequence[int], stride: Sequence[int], dilation: Sequence[int],
               *, more_first: bool = False) -> tuple[tuple[int, int], ...]:  # fmt: skip
    """Return the padding with which there are ⌈n/stride⌉ windows along each axis; one too many is behind, or before.

    Examples
    --------
    >>> same_sides((6, 5), (3, 2), (2, 1), (1, 1))
    ((0, 1), (0, 1))
    """
    sides = []
    for n, k, s, d in zip(space, window, stride, dilation, strict=True):
        whole = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        few, many = whole // 2, whole - whole // 2
        sides.append((many, few) if more_first else (few, many))
    return tuple(sides)


def beyond(space: Sequence[int], window: Sequence[int], stride: Sequence[int], pads: Sequence[Any],
           dilation: Sequence[int]) -> list[int]:  # fmt: skip
    """Return by how much the last window stands over the end where their number is rounded up.

    A window that would begin behind the entries and the padding before them isn't taken.

    Examples
    --------
    >>> beyond((6, 5), (3, 3), (2, 2), ((0, 0), (0, 0)), (1, 1))
    [1, 0]
    """
    found = []
    for n, k, s, (first, last), d in zip(space, window, stride, pads, dilation, strict=True):
        reach, length = (k - 1) * d + 1, n + first + last
        count = -(-(length - reach) // s) + 1
        if (count - 1) * s >= n + first:
            count -= 1
        found.append(max((count - 1) * s + reach - length, 0))
    return found


# --- layers that several libraries have ------------------------------------------------------------------


def batch_norm(mean: Any, variance: Any, gamma: Any, beta: Any, eps: float) -> ChannelScale:
    """Return a batch normalization as it is used: by the mean and variance that were learnt."""
    mean, variance = np.asarray(mean), np.asarray(variance)
    scale = 1 / np.sqrt(variance + np.asarray(eps, variance.dtype))
    scale = scale if gamma is None else np.asarray(gamma) * scale
    return ChannelScale(scale, -mean * scale if beta is None else np.asarray(beta) - mean * scale)


def per_channel(value: Any, shape: tuple[int, ...]) -> Array | None:
    """Return a constant as one number for each channel of a point, or None where it is more than that."""
    value = np.asarray(value)
    channels = shape[0] if shape else 1
    if value.size == 1:
        return np.full(channels, value.reshape(()))
    own = value.shape[1:] if value.ndim == len(shape) + 1 and value.shape[0] == 1 else value.shape
    aligned = (1,) * (len(shape) - len(own)) + tuple(own)  # NumPy aligns shapes at the end
    if aligned == (channels, *(1 for _ in shape[1:])):
        return value.reshape(-1)
    return None


def whole_mean(shape: tuple[int, ...]) -> ChannelMeanPool:
    """Return the mean over all that is behind the channels."""
    return ChannelMeanPool(shape[1:])
