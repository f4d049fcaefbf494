"""A recording on JAX: the nodes run on tracers under ``jax.jit``, each by the function of the same name.

What is called with JAX's arrays returns JAX's arrays, on their device; ``jit``, ``vmap`` and ``grad`` go through it.
NumPy's arrays give NumPy's, in their own precision whatever ``jax_enable_x64`` says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from backprop.compiling.engines import Running, Work, computed_once, not_installed
from backprop.compiling.nodes import Node
from jacobians.numerics.arrays import Array
from jacobians.numerics.ledger import UNCOUNTED

try:
    import jax
    from jax import numpy as jnp
    from jax.scipy import special
except ImportError as error:
    raise not_installed("jax", error, extra="jax") from None

KEEPS_UNITS = True
LEDGER = UNCOUNTED  # into NumPy's arrays NumPy writes


def own(array: Any) -> bool:
    """Return whether an array, or what stands for one while it is traced, is JAX's."""
    return isinstance(array, jax.Array)


def _euclidean(rows: Any) -> Any:
    scale = jnp.abs(rows).max(axis=-1, keepdims=True)
    usual = jnp.isfinite(scale) & (scale > 0)
    norms = jnp.linalg.norm(rows / jnp.where(usual, scale, 1), axis=-1)
    return jnp.where(usual[..., 0], norms * scale[..., 0], scale[..., 0])


def _elsewhere(name: str) -> Any:
    """Return a function that is not one of NumPy's."""
    return _euclidean if name == "euclidean" else getattr(special, name)


def made(work: Work) -> Callable[..., Any]:
    """Return the recorded function, compiled at its first call."""
    known = computed_once(work)
    each = [node for node in work.nodes if id(node) not in work.once]
    inputs = {node.function: node for node in each if node.kind == "input"}
    # arrays that a call reads are arguments of what is compiled: as constants they would be copied into its code
    read = {id(part) for node in each for part in node.operands()} | {id(node) for node in work.results}
    fixed = {key: value for key, value in known.items() if key in read}

    def run(constants: list[Any], *arrays: Any) -> tuple[Any, ...]:
        running = Running(jnp, jnp.linalg, _elsewhere)
        running.values.update(zip(fixed, constants, strict=True))
        for name, array in zip(work.arguments, arrays, strict=True):
            if name in inputs:
                running.values[id(inputs[name])] = array
        for node in each:
            if node.kind != "input":
                running.do(node)
        return tuple(jnp.broadcast_to(running.read(node), node.shape) for node in work.results)

    each_point = jax.vmap(run, in_axes=(None, *[0] * len(work.arguments))) if work.many else run
    compiled = jax.jit(each_point)
    floats = [value for value in fixed.values() if value.dtype == np.float64]
    double = bool(floats) or any(node.dtype == np.float64 for node in work.nodes)
    on_device: list[list[Any]] = []

    def call(*arrays: Any) -> tuple[Any, ...]:
        if any(own(array) for array in arrays):
            return compiled(list(fixed.values()), *arrays)
        with jax.enable_x64(double):
            if not on_device:
                on_device.append([jax.device_put(value) for value in fixed.values()])
            return tuple(np.array(array) for array in compiled(on_device[0], *arrays))  # writeable

    return call


def dense_jacobian(function: Callable[[Any], Any], x: Array) -> Array:
    """Return the Jacobian (outputs, inputs) of a function of JAX's arrays, by JAX's own reverse mode."""
    return np.asarray(jax.jacrev(function)(jnp.asarray(x))).reshape(-1, x.size)


def rewritten(nodes: list[Node], results: list[Node], once: set[int]) -> list[Node]:
    """Return the nodes as they are: XLA fuses them."""
    return nodes
