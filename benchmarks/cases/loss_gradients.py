"""The gradient of the mean loss ½‖F(x) − y‖² of a batch by all parameters."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from profiles import Code

from .family import Call, Case, Family, Goal, Unsuitable
from .input_jacobians import BOTTLENECK, DEEP, MANY
from .networks import Network, in_autograd, in_jax, in_torch, ours


def flat(gradients: Any) -> Any:
    """Return gradients, given by name or as pairs (∂W, ∂b), as one vector, input side first."""
    arrays = (
        gradients.values() if isinstance(gradients, dict) else [part for pair in gradients for part in pair]
    )
    return np.concatenate([np.asarray(array).reshape(-1) for array in arrays])


def expected(problem: Network) -> Any:
    """Return the gradient by the δ recursion in plain NumPy."""
    layers, (values, slopes) = problem.weights(), problem.forward()
    delta = (problem.outputs() - problem.y()) / problem.points
    found = []
    for place in range(len(layers) - 1, -1, -1):
        found.append((delta.T @ values[place], delta.sum(axis=0)))
        if place:
            delta = (delta @ layers[place][0]) * slopes[place - 1]
    return flat(found[::-1])


def flops(problem: Network) -> float:
    """Return about how many operations the three products of each layer take."""
    return 6.0 * problem.rows * problem.parameter_count


LOSS_GRADIENT = Family("gradient of a loss by all parameters", expected, flops=flops)


@LOSS_GRADIENT.contestant("net.gradients(x, y)", role="ours", answer=flat)
def gradients(problem: Network) -> Call:
    """The δ recursion over the batch."""
    net, x, y = ours(problem), problem.x(), problem.y()
    return lambda: net.gradients(x, y)


@LOSS_GRADIENT.contestant("backprop.compile_gradients(net, points)(x, y)", role="ours", answer=flat)
def compiled(problem: Network) -> Call:
    """The same as straight-line code for batches of one size."""
    import backprop

    found, x, y = backprop.compile_gradients(ours(problem), problem.points or 1), problem.x(), problem.y()
    return _with_code(lambda: found(x, y), found, problem)


@LOSS_GRADIENT.contestant("backprop.compile_gradients(net, points)(x, y, out)", role="ours", answer=flat)
def compiled_into(problem: Network) -> Call:
    """The same into given arrays, as in training."""
    import backprop

    found, x, y = backprop.compile_gradients(ours(problem), problem.points or 1), problem.x(), problem.y()
    out = found(x, y)
    return _with_code(lambda: found(x, y, out), found, problem)


@functools.lru_cache(1)
def _by_numba(problem: Network) -> Any:
    import backprop

    return backprop.compile_gradients(ours(problem), problem.rows, engine="numba")


@LOSS_GRADIENT.contestant(
    "backprop.compile_gradients(net, points, engine='numba')(x, y)", role="ours", answer=flat
)
def compiled_by_numba(problem: Network) -> Call:
    """The same recording compiled by Numba (extra `fast`), into fresh arrays."""
    found, x, y = _by_numba(problem), problem.x(), problem.y()
    return lambda: found(x, y)


@LOSS_GRADIENT.contestant(
    "backprop.compile_gradients(net, points, engine='numba')(x, y, out)", role="ours", answer=flat
)
def compiled_by_numba_into(problem: Network) -> Call:
    """The same into given arrays."""
    found, x, y = _by_numba(problem), problem.x(), problem.y()
    out = found(x, y)
    return lambda: found(x, y, out)


@LOSS_GRADIENT.contestant(
    "backprop.compile_gradients(net, points, engine='jax')(x, y)", runtime="jax", role="ours", answer=flat
)
def compiled_by_jax(problem: Network) -> Call:
    """The same recording on JAX (extra `jax`), from and to NumPy's arrays."""
    import backprop

    found = backprop.compile_gradients(ours(problem), problem.rows, engine="jax")
    x, y = problem.x(), problem.y()
    return lambda: found(x, y)


def _with_code(call: Any, found: Any, problem: Network) -> Call:
    """Return a call that names what is kept between calls, and the code of one thread's points, for a profile."""
    call.kept = found.workspace
    some = len(problem.x()) // found.threads
    parameters = [part for pair in problem.weights() for part in pair]
    call.code = Code(found.source, found.constants, (problem.x()[:some], problem.y()[:some], *parameters))
    return call


def _arrays(problem: Network) -> tuple[list[Any], list[Any], list[Any]]:
    """Return the weights, the inputs of all layers, and arrays of the shapes of all δ."""
    weights = [W for W, _ in problem.weights()]
    return weights, problem.forward()[0], [problem.vector(len(W), 5 + k) for k, W in enumerate(weights)]


@LOSS_GRADIENT.contestant("least matrix products by NumPy", role="floor")
def floor(problem: Network) -> Call:
    """The matrix products of a forward pass, a backward pass and ∂E/∂W = δᵀa, by NumPy alone."""
    weights, values, deltas = _arrays(problem)

    def products() -> None:
        for W, value in zip(weights, values, strict=True):
            value @ W.T
        for W, delta in zip(weights[1:], deltas[1:], strict=True):
            delta @ W
        for delta, value in zip(deltas, values, strict=True):
            delta.T @ value

    return products


@LOSS_GRADIENT.contestant("least matrix products by JAX", runtime="jax", role="products")
def products_by_jax(problem: Network) -> Call:
    """The same by XLA's kernels, which may be faster than those of NumPy's BLAS."""
    import jax

    if flops(problem) < MANY:
        raise Unsuitable("a call takes longer than the products")

    def products(weights: Any, values: Any, deltas: Any) -> Any:
        forward = [value @ W.T for W, value in zip(weights, values, strict=True)]
        backward = [delta @ W for W, delta in zip(weights[1:], deltas[1:], strict=True)]
        return forward, backward, [delta.T @ value for delta, value in zip(deltas, values, strict=True)]

    jitted, given = jax.jit(products), jax.tree.map(jax.numpy.asarray, _arrays(problem))
    return lambda: jax.block_until_ready(jitted(*given))


@LOSS_GRADIENT.contestant("jax.jit(grad)", runtime="jax", answer=flat)
def jax_gradient(problem: Network) -> Call:
    """Compiled reverse mode; the parameters are arguments."""
    import jax

    network, layers, x = in_jax(problem)
    y = jax.numpy.asarray(problem.y())

    def loss(layers: Any) -> Any:
        outputs = jax.vmap(network, (None, 0))(layers, x)
        return 0.5 * ((outputs - y) ** 2).sum(axis=1).mean()

    gradient = jax.jit(jax.grad(loss))
    return lambda: jax.block_until_ready(gradient(layers))


def _torch_loss(problem: Network) -> tuple[Any, Any]:
    import torch

    network, layers, x = in_torch(problem)
    y = torch.from_numpy(problem.y())
    return lambda layers: 0.5 * ((network(layers, x) - y) ** 2).sum(dim=1).mean(), layers


@LOSS_GRADIENT.contestant("torch.autograd.grad", runtime="torch", answer=flat)
def torch_gradient(problem: Network) -> Call:
    """Eager forward pass and tape."""
    import torch

    loss, layers = _torch_loss(problem)
    parameters = [part.requires_grad_() for pair in layers for part in pair]

    def call() -> Any:
        found = torch.autograd.grad(loss(layers), parameters)
        return list(zip(found[::2], found[1::2], strict=True))

    return call


@LOSS_GRADIENT.contestant("torch.func.grad", runtime="torch", answer=flat)
def torch_functional(problem: Network) -> Call:
    """The composable transform."""
    import torch

    loss, layers = _torch_loss(problem)
    gradient = torch.func.grad(loss)
    return lambda: gradient(layers)


@LOSS_GRADIENT.contestant("torch.compile(func.grad)", runtime="torch", answer=flat)
def torch_compiled(problem: Network) -> Call:
    """The same compiled by Inductor."""
    import torch

    if problem.dtype != "float64":
        raise Unsuitable("compiling takes long: in double precision only")
    loss, layers = _torch_loss(problem)
    gradient = torch.compile(torch.func.grad(loss))
    return lambda: gradient(layers)


@LOSS_GRADIENT.contestant("autograd.grad", runtime="autograd", answer=flat)
def autograd_gradient(problem: Network) -> Call:
    """A tape of NumPy calls."""
    import autograd
    import autograd.numpy as anp

    network, layers, x = in_autograd(problem)
    y = problem.y()
    gradient = autograd.grad(lambda layers: 0.5 * anp.mean(anp.sum((network(layers, x) - y) ** 2, axis=1)))
    return lambda: gradient(layers)


def _cases() -> tuple[Case, ...]:
    level = (Goal("peer", 0.97), Goal("floor", 0.9))
    goals = {
        ("2-3-4-1", 64): (Goal("peer", 8), Goal("floor")),
        ("2-3-4-1", 1024): (Goal("peer", 2.5), Goal("floor")),
        ("64-128-64-10", 64): (Goal("peer", 1.4), Goal("floor")),
        ("64-128-64-10", 1024): (Goal("peer", 1.2), Goal("floor")),
    }
    networks = {
        "2-3-4-1": (2, 3, 4, 1),
        "64-128-64-10": (64, 128, 64, 10),
        "784-256-32-256-784": BOTTLENECK,
        "256 × 20": DEEP,
    }
    return tuple(
        Case(
            LOSS_GRADIENT,
            f"{points} points, {title} tanh",
            Network(sizes, "tanh", points),
            (*goals.get((title, points), level), Goal("peer", ours="alone")),
            single=points == 64,
        )
        for title, sizes in networks.items()
        for points in (64, 1024)
    )


CASES = _cases()
