"""The networks that all contestants share: their numbers, and their forward pass in each runtime."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from .family import Unsuitable


@dataclasses.dataclass(frozen=True)
class Network:
    """A multilayer perceptron with numbers: affine layers, and an activation between them.

    Attributes
    ----------
    sizes : tuple of int
        Inputs, units of each layer, outputs.
    activation : {"tanh", "relu"}
    points : int, optional
        How many; None for one point without an axis of points.
    dtype : {"float64", "float32"}
    """

    sizes: tuple[int, ...]
    activation: str = "tanh"
    points: int | None = None
    dtype: str = "float64"

    def _random(self, *purpose: int) -> np.random.Generator:
        # not by hash(), which differs from process to process
        return np.random.default_rng([*self.sizes, len(self.activation), self.points or 0, *purpose])

    def weights(self) -> list[tuple[Any, Any]]:
        """Return (W, b) of each layer, input side first, the same in every process."""
        random = self._random(1)
        return [
            (
                (random.standard_normal((h, n)) / np.sqrt(n)).astype(self.dtype),
                (random.standard_normal(h) / 10).astype(self.dtype),
            )
            for n, h in pairwise(self.sizes)
        ]

    def x(self) -> Any:
        """Return the point (d,), or the points (N, d)."""
        return self.vector(self.sizes[0], 2)

    def y(self) -> Any:
        """Return a target for each point."""
        return self.vector(self.sizes[-1], 3)

    def vector(self, size: int, purpose: int) -> Any:
        """Return random numbers of a size for each point."""
        batch = () if self.points is None else (self.points,)
        return self._random(purpose).standard_normal((*batch, size)).astype(self.dtype)

    @property
    def parameter_count(self) -> int:
        """How many numbers all W and b are."""
        return sum(h * (n + 1) for n, h in pairwise(self.sizes))

    @property
    def rows(self) -> int:
        """How many points, 1 for one without an axis of points."""
        return self.points or 1

    def forward(self) -> tuple[list[Any], list[Any]]:
        """Return the inputs of all layers, (d,) or (N, d), and the slopes φ′ between them, by plain NumPy."""
        values, slopes = [self.x()], []
        layers = self.weights()
        for W, b in layers[:-1]:
            z = values[-1] @ W.T + b
            values.append(np.tanh(z) if self.activation == "tanh" else np.maximum(z, 0))
            slopes.append(1 - values[-1] ** 2 if self.activation == "tanh" else (z > 0).astype(self.dtype))
        return values, slopes

    def outputs(self) -> Any:
        """Return the values of the network, by plain NumPy."""
        W, b = self.weights()[-1]
        return self.forward()[0][-1] @ W.T + b

    def backward(self) -> list[Any]:
        """Return ∂F/∂z of every affine layer, (m, h) or (N, m, h), input side first, by plain NumPy."""
        layers, (values, slopes) = self.weights(), self.forward()
        m = self.sizes[-1]
        found = [np.broadcast_to(np.eye(m, dtype=self.dtype), (*values[0].shape[:-1], m, m))]
        for (W, _), slope in zip(layers[:0:-1], slopes[::-1], strict=True):
            rows = found[-1].reshape(-1, len(W)) @ W  # one product for all points, not one a point
            found.append(rows.reshape(*found[-1].shape[:-1], -1) * slope[..., None, :])
        return found[::-1]


# --- the same network in each runtime ------------------------------------------------------------------


def ours(problem: Network) -> Any:
    """Return the network as our MLP with the squared error ½‖a − y‖²."""
    from backprop import MLP

    return MLP(problem.weights(), activation=problem.activation, loss="squared-error")


def in_jax(problem: Network) -> tuple[Callable[[Any, Any], Any], Any, Any]:
    """Return f(weights, one point), the weights and the points, in JAX."""
    import jax

    phi = {"tanh": jax.numpy.tanh, "relu": jax.nn.relu}[problem.activation]

    def network(layers: Any, x: Any) -> Any:
        for W, b in layers[:-1]:
            x = phi(W @ x + b)
        return layers[-1][0] @ x + layers[-1][1]

    layers = [(jax.numpy.asarray(W), jax.numpy.asarray(b)) for W, b in problem.weights()]
    return network, layers, jax.numpy.asarray(problem.x())


def gpu() -> Any:
    """Return the GPU that JAX would use.

    Raises
    ------
    Unsuitable
        If there is none.
    """
    import jax

    try:
        return jax.devices("gpu")[0]
    except RuntimeError as error:  # what it raises where no GPU, or no plugin for one, is there
        raise Unsuitable("JAX has no GPU here") from error


def in_torch(problem: Network) -> tuple[Callable[[Any, Any], Any], Any, Any]:
    """Return f(weights, point or points), the weights and the points, in PyTorch."""
    import torch

    phi = {"tanh": torch.tanh, "relu": torch.relu}[problem.activation]

    def network(layers: Any, x: Any) -> Any:
        for W, b in layers[:-1]:
            x = phi(torch.nn.functional.linear(x, W, b))
        return torch.nn.functional.linear(x, *layers[-1])

    layers = [(torch.from_numpy(W), torch.from_numpy(b)) for W, b in problem.weights()]
    return network, layers, torch.from_numpy(problem.x())


def in_autograd(problem: Network) -> tuple[Callable[[Any, Any], Any], Any, Any]:
    """Return f(weights, point or points), the weights and the points, in HIPS autograd."""
    import autograd.numpy as anp

    phi = {"tanh": anp.tanh, "relu": lambda z: anp.maximum(z, 0)}[problem.activation]

    def network(layers: Any, x: Any) -> Any:
        for W, b in layers[:-1]:
            x = phi(anp.dot(x, W.T) + b)
        return anp.dot(x, layers[-1][0].T) + layers[-1][1]

    return network, problem.weights(), problem.x()
