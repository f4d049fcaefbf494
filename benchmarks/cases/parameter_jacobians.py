"""J = ∂F/∂(all parameters) of many points: kept structured, multiplied, written out, and J Jᵀ.

The parameters stand in the order W¹, b¹, W², …, each flattened row by row, so that J is (N, m, n).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from .family import CALM, Call, Case, Family, Goal
from .networks import Network, in_jax, in_torch, ours

# --- expected answers ------------------------------------------------------------------------------------


def expected_jacobian(problem: Network) -> Any:
    """Return J (N, m, n) by plain NumPy: ∂F/∂W = ∂F/∂z ⊗ aᵀ, ∂F/∂b = ∂F/∂z."""
    blocks = []
    for rows, value in zip(problem.backward(), problem.forward()[0], strict=True):
        products = rows[:, :, :, None] * value[:, None, None, :]
        blocks += [products.reshape(*products.shape[:2], -1), rows]
    return np.concatenate(blocks, axis=2)


def expected_norms(problem: Network) -> Any:
    """Return the Euclidean norm of each row of each point, (N, m)."""
    return np.sqrt((expected_jacobian(problem) ** 2).sum(axis=2))


def expected_matvec(problem: Network) -> Any:
    """Return J v for every point, (N, m)."""
    return expected_jacobian(problem) @ direction(problem)


def expected_rmatvec(problem: Network) -> Any:
    """Return Σ_p J_pᵀ u_p, (n,)."""
    return np.einsum("pmn,pm->n", expected_jacobian(problem), weights_of_outputs(problem), optimize=True)


def expected_kernel(problem: Network) -> Any:
    """Return K[p, q] = J_p J_qᵀ, (N, N, m, m)."""
    J = expected_jacobian(problem)
    N, m, n = J.shape
    rows = J.reshape(N * m, n)
    return (rows @ rows.T).reshape(N, m, N, m).transpose(0, 2, 1, 3)


def direction(problem: Network) -> Any:
    """Return v (n,), the same for every point."""
    return np.random.default_rng(7).standard_normal(problem.parameter_count).astype(problem.dtype)


def weights_of_outputs(problem: Network) -> Any:
    """Return u (N, m)."""
    return problem.vector(problem.sizes[-1], 8)


# --- in the form that is compared ------------------------------------------------------------------------


def written_out(tree: Any) -> Any:
    """Return J (N, m, n) from pairs of arrays (N, m, h, d) and (N, m, h)."""
    blocks = [np.asarray(part) for pair in tree for part in pair]
    return np.concatenate([block.reshape(*block.shape[:2], -1) for block in blocks], axis=2)


def flat(tree: Any) -> Any:
    """Return the pairs (W, b) as one vector (n,)."""
    return np.concatenate([np.asarray(part).reshape(-1) for pair in tree for part in pair])


def in_pairs(problem: Network, vector: Any) -> list[tuple[Any, Any]]:
    """Return a vector (n,) as pairs of the shapes of (W, b)."""
    pairs, start = [], 0
    for W, b in problem.weights():
        middle, end = start + W.size, start + W.size + b.size
        pairs.append((vector[start:middle].reshape(W.shape), vector[middle:end]))
        start = end
    return pairs


# --- families, and what each contestant of them builds on ----------------------------------------------


def flops(problem: Network) -> float:
    """Return about how many operations a forward pass and ∂F/∂z of all layers take."""
    m, inner = problem.sizes[-1], list(pairwise(problem.sizes))[1:]
    return 2.0 * problem.rows * (problem.parameter_count + m * sum(h * n for n, h in inner))


def flops_written_out(problem: Network) -> float:
    """Return the same, and an operation for each entry of J."""
    return flops(problem) + problem.rows * problem.sizes[-1] * problem.parameter_count


def flops_of_kernel(problem: Network) -> float:
    """Return the same, and those of B Bᵀ of all layers."""
    return flops(problem) + 2.0 * (problem.rows * problem.sizes[-1]) ** 2 * sum(problem.sizes[1:])


BUILD = Family("J by all parameters", expected_jacobian, flops=flops)
NORMS = Family("norms of the rows of J by all parameters", expected_norms, flops=flops)
MATVEC = Family("J v by all parameters", expected_matvec, flops=flops)
RMATVEC = Family("Jᵀ u by all parameters, summed over the points", expected_rmatvec, flops=flops)
DENSE = Family("J by all parameters, written out dense", expected_jacobian, flops=flops_written_out)
KERNEL = Family("J Jᵀ by all parameters (tangent kernel)", expected_kernel, flops=flops_of_kernel)


def _our_jacobian(problem: Network) -> Callable[[], Any]:
    net, x = ours(problem), problem.x()
    names = list(net.parameters)
    return lambda: net.jacobian(x, wrt=names, batched=True)


def _jax_jacobian(problem: Network) -> tuple[Callable[[Any], Any], Any]:
    import jax

    network, layers, x = in_jax(problem)
    return lambda layers: jax.vmap(jax.jacrev(network), (None, 0))(layers, x), layers


def _torch_jacobian(problem: Network) -> tuple[Callable[[Any], Any], Any]:
    import torch

    network, layers, x = in_torch(problem)
    jacobian = torch.func.vmap(torch.func.jacrev(network), (None, 0))
    return lambda layers: jacobian(layers, x), layers


# --- building it, and writing it out ---------------------------------------------------------------------


@BUILD.contestant("net.jacobian(x, wrt=all)", role="ours", answer=lambda J: J.dense())
def build(problem: Network) -> Call:
    """A block a parameter, none expanded."""
    return _our_jacobian(problem)


@DENSE.contestant("net.jacobian(x, wrt=all).dense()", role="ours")
def dense(problem: Network) -> Call:
    """The same, expanded into one fresh array."""
    jacobian = _our_jacobian(problem)
    return lambda: jacobian().dense()


@DENSE.contestant("net.jacobian(x, wrt=all).dense(out=out)", role="ours")
def dense_into(problem: Network) -> Call:
    """The same into a given array, which spares fresh memory."""
    jacobian = _our_jacobian(problem)
    out = np.empty_like(jacobian().dense())
    return lambda: jacobian().dense(out=out)


@DENSE.contestant("a plain fill", role="floor")
def fill(problem: Network) -> Call:
    """Writing as many bytes: one number into a fresh array."""
    shape = (problem.points, problem.sizes[-1], problem.parameter_count)
    return lambda: np.full(shape, 1.5, problem.dtype)


@BUILD.contestant("jax.jit(vmap(jacrev))", runtime="jax", answer=written_out)
@DENSE.contestant("jax.jit(vmap(jacrev))", runtime="jax", answer=written_out)
def jax_jacobian(problem: Network) -> Call:
    """Dense blocks, an array a parameter."""
    import jax

    jacobian, layers = _jax_jacobian(problem)
    jitted = jax.jit(jacobian)
    return lambda: jax.block_until_ready(jitted(layers))


@BUILD.contestant("torch.func.vmap(jacrev)", runtime="torch", answer=written_out)
@DENSE.contestant("torch.func.vmap(jacrev)", runtime="torch", answer=written_out)
def torch_jacobian(problem: Network) -> Call:
    """Dense blocks, an array a parameter."""
    jacobian, layers = _torch_jacobian(problem)
    return lambda: jacobian(layers)


# --- norms -----------------------------------------------------------------------------------------------


@NORMS.contestant("net.jacobian(x, wrt=all).row_norms()", role="ours")
def norms(problem: Network) -> Call:
    """‖a ⊗ b‖ = ‖a‖‖b‖: nothing is expanded. Building J is part of it."""
    jacobian = _our_jacobian(problem)
    return lambda: jacobian().row_norms()


@NORMS.contestant("jax.jit(norms of jacrev)", runtime="jax")
def jax_norms(problem: Network) -> Call:
    """Compiled as one function, so that J need not be stored."""
    import jax

    jacobian, layers = _jax_jacobian(problem)

    def of(layers: Any) -> Any:
        squares = [
            (part**2).reshape(*part.shape[:2], -1).sum(-1) for pair in jacobian(layers) for part in pair
        ]
        return jax.numpy.sqrt(sum(squares))

    jitted = jax.jit(of)
    return lambda: jitted(layers).block_until_ready()


@NORMS.contestant("torch.func: norms of jacrev", runtime="torch")
def torch_norms(problem: Network) -> Call:
    """J first, then its norms."""
    jacobian, layers = _torch_jacobian(problem)
    return lambda: sum((part**2).flatten(2).sum(2) for pair in jacobian(layers) for part in pair).sqrt()


# --- J v and Jᵀ u ----------------------------------------------------------------------------------------


@MATVEC.contestant("J.matvec(v)", role="ours")
def matvec(problem: Network) -> Call:
    """J is at hand: building it is another case."""
    J, v = _our_jacobian(problem)(), direction(problem)
    return lambda: J.matvec(v)


@RMATVEC.contestant("J.rmatvec(u, summed=True)", role="ours")
def rmatvec(problem: Network) -> Call:
    """J is at hand: building it is another case."""
    J, u = _our_jacobian(problem)(), weights_of_outputs(problem)
    return lambda: J.rmatvec(u, summed=True)


def _jax_outputs(problem: Network) -> tuple[Callable[[Any], Any], Any, Any]:
    import jax

    network, layers, x = in_jax(problem)
    return (lambda layers: jax.vmap(network, (None, 0))(layers, x)), layers, jax.numpy.asarray


@MATVEC.contestant("jax.jit(jvp)", runtime="jax")
def jax_jvp(problem: Network) -> Call:
    """A forward pass with tangents."""
    import jax

    outputs, layers, asarray = _jax_outputs(problem)
    v = jax.tree.map(asarray, in_pairs(problem, direction(problem)))
    jitted = jax.jit(lambda layers, v: jax.jvp(outputs, (layers,), (v,))[1])
    return lambda: jitted(layers, v).block_until_ready()


@MATVEC.contestant("jax.jit(linearize)", runtime="jax")
def jax_linearized(problem: Network) -> Call:
    """The forward pass is done before: what J at hand is compared with."""
    import jax

    outputs, layers, asarray = _jax_outputs(problem)
    v = jax.tree.map(asarray, in_pairs(problem, direction(problem)))
    jitted = jax.jit(jax.linearize(outputs, layers)[1])
    return lambda: jitted(v).block_until_ready()


@RMATVEC.contestant("jax.jit(vjp)", runtime="jax", answer=flat)
def jax_vjp(problem: Network) -> Call:
    """A forward and a backward pass."""
    import jax

    outputs, layers, asarray = _jax_outputs(problem)
    u = asarray(weights_of_outputs(problem))
    jitted = jax.jit(lambda layers, u: jax.vjp(outputs, layers)[1](u)[0])
    return lambda: jax.block_until_ready(jitted(layers, u))


@RMATVEC.contestant("jax.jit(vjp of kept values)", runtime="jax", answer=flat)
def jax_transposed(problem: Network) -> Call:
    """The forward pass is done before."""
    import jax

    outputs, layers, asarray = _jax_outputs(problem)
    u = asarray(weights_of_outputs(problem))
    jitted = jax.jit(jax.vjp(outputs, layers)[1])
    return lambda: jax.block_until_ready(jitted(u)[0])


@MATVEC.contestant("torch.func.jvp", runtime="torch")
def torch_jvp(problem: Network) -> Call:
    """Dual numbers."""
    import torch

    network, layers, x = in_torch(problem)
    v = [(torch.from_numpy(V), torch.from_numpy(c)) for V, c in in_pairs(problem, direction(problem))]
    return lambda: torch.func.jvp(lambda layers: network(layers, x), (layers,), (v,))[1]


@RMATVEC.contestant("torch.func.vjp", runtime="torch", answer=flat)
def torch_vjp(problem: Network) -> Call:
    """A tape."""
    import torch

    network, layers, x = in_torch(problem)
    u = torch.from_numpy(weights_of_outputs(problem))
    return lambda: torch.func.vjp(lambda layers: network(layers, x), layers)[1](u)[0]


# --- J Jᵀ ------------------------------------------------------------------------------------------------


@KERNEL.contestant("backprop.tangent_kernel(net, x)", role="ours")
def kernel(problem: Network) -> Call:
    """Σ over the layers of (a_p·a_q + 1) B_p B_qᵀ."""
    import backprop

    net, x = ours(problem), problem.x()
    tangent_kernel = backprop.tangent_kernel
    return lambda: tangent_kernel(net, x)


@KERNEL.contestant("least matrix products", role="floor")
def kernel_products(problem: Network) -> Call:
    """The matrix products of a forward pass, of ∂F/∂z, of A Aᵀ and of B Bᵀ, by NumPy alone."""
    layers, values = problem.weights(), problem.forward()[0]
    stacks = [np.ascontiguousarray(B).reshape(-1, B.shape[-1]) for B in problem.backward()]

    def products() -> None:
        for (W, _), value, B in zip(layers, values, stacks, strict=True):
            value @ W.T
            value @ value.T
            B @ B.T
        for (W, _), B in zip(layers[2:], stacks[2:], strict=True):
            B @ W

    return products


@KERNEL.contestant("jax.jit(jacrev, contracted)", runtime="jax")
def jax_kernel(problem: Network) -> Call:
    """J of all points, then J Jᵀ."""
    import jax

    jacobian, layers = _jax_jacobian(problem)
    N, m = problem.points or 1, problem.sizes[-1]

    def of(layers: Any) -> Any:
        rows = [part.reshape(N * m, -1) for pair in jacobian(layers) for part in pair]
        return sum(part @ part.T for part in rows).reshape(N, m, N, m).transpose(0, 2, 1, 3)

    jitted = jax.jit(of)
    return lambda: jitted(layers).block_until_ready()


@KERNEL.contestant("torch.func: jacrev, contracted", runtime="torch")
def torch_kernel(problem: Network) -> Call:
    """J of all points, then J Jᵀ."""
    jacobian, layers = _torch_jacobian(problem)
    N, m = problem.points or 1, problem.sizes[-1]

    def call() -> Any:
        rows = [part.reshape(N * m, -1) for pair in jacobian(layers) for part in pair]
        return sum(part @ part.T for part in rows).reshape(N, m, N, m).permute(0, 2, 1, 3)

    return call


# --- all of it by compiled products, on each engine ------------------------------------------------------


def _compiled_at(problem: Network, engine: Any) -> Callable[[], Any]:
    import backprop

    net, x = ours(problem), problem.x()
    compiled = backprop.compile_products(net, shape=x.shape, batched=True, dtype=problem.dtype, engine=engine)
    return lambda: compiled.at(x)


def _dense_into(problem: Network, engine: Any) -> Call:
    at = _compiled_at(problem, engine)
    out = np.empty_like(at().dense())
    return lambda: at().dense(out)


def _compiled_matvec(problem: Network, engine: Any) -> Call:
    at, v = _compiled_at(problem, engine)(), direction(problem)  # the values at x are at hand, as J is
    return lambda: at.matvec(v)


def _compiled_rmatvec(problem: Network, engine: Any) -> Call:
    at, u = _compiled_at(problem, engine)(), weights_of_outputs(problem)
    return lambda: at.rmatvec(u, summed=True)


def _then(name: str) -> Callable[[Network, Any], Call]:
    """Return what computes the values at x and calls a method of them."""

    def call(problem: Network, engine: Any) -> Call:
        at = _compiled_at(problem, engine)
        return lambda: getattr(at(), name)()

    return call


def _enter(engine: str, given: str) -> None:
    at = f"backprop.compile_products({given}).at(x)"
    build = BUILD.contestant(at, role="ours", answer=lambda at: at.dense())
    build(partial(_compiled_at, engine=engine))
    for family, call, make in (
        (NORMS, "row_norms()", _then("row_norms")),
        (MATVEC, "matvec(v)", _compiled_matvec),
        (RMATVEC, "rmatvec(u, summed=True)", _compiled_rmatvec),
        (DENSE, "dense()", _then("dense")),
        (DENSE, "dense(out)", _dense_into),
        (KERNEL, "tangent_kernel()", _then("tangent_kernel")),
    ):
        family.contestant(f"{at}.{call}", role="ours")(partial(make, engine=engine))


_enter("numpy", "net")
_enter("numba", "net, engine='numba'")

# --- cases -----------------------------------------------------------------------------------------------


def _case(family: Family, points: int, *goals: Goal, single: bool = False) -> Case:
    network = Network((64, 128, 64, 10), "tanh", points)
    return Case(family, f"{points} points, 64-128-64-10 tanh", network, goals, single)


CASES = (
    _case(BUILD, 64, Goal("peer", 25)),
    _case(NORMS, 64, Goal("peer", 40), single=True),
    _case(MATVEC, 64, Goal("peer", 1.05), Goal("jax.jit(jvp)")),
    _case(RMATVEC, 64, Goal("peer", 1.4), Goal("jax.jit(vjp)")),
    _case(
        DENSE,
        64,
        Goal("peer", 3.5),
        Goal("peer", 1.5, ours="fresh"),
        Goal("floor"),
        single=True,
    ),
    _case(KERNEL, 64, Goal("peer", 45), Goal("peer", 45, loaded=True), Goal("floor"), CALM, single=True),
    _case(KERNEL, 256, Goal("peer", 30), Goal("peer", 30, loaded=True), Goal("floor")),
)
