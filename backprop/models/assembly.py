"""Putting an imported network together: named values, layers between them, and what is not supported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jacobians import (
    Affine,
    ChannelMeanPool,
    ChannelScale,
    Elementwise,
    Function,
    Reshape,
    Sequential,
)
from jacobians.layers.layer_graph import LayerGraph
from jacobians.numerics.arrays import Array


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


def negative() -> Elementwise:
    """Return −x."""
    return Elementwise("negative", np.negative, _minus_one, latex="-z")


def _minus_one(z: Any) -> Any:
    return -np.ones_like(z)
