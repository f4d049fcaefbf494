"""∂F/∂x of a network, dense, at a point or at many."""

from __future__ import annotations

import functools
from itertools import pairwise
from typing import Any

import numpy as np
from profiles import Code

from .family import CALM, Call, Case, Family, Goal, Unsuitable
from .networks import Network, in_autograd, in_jax, in_torch, ours

NUMBA = "backprop.compile(net, engine='numba')(x)"
NUMBA_OUT = "backprop.compile(net, engine='numba')(x, out)"
NUMBA_INTO = "backprop.compile(net, engine='numba').into(x, out)()"
JAX = "backprop.compile(net, engine='jax')(x)"


def expected(problem: Network) -> Any:
    """Return ∂F/∂x by plain NumPy, from the output."""
    rows, W = problem.backward()[0], problem.weights()[0][0]
    return (rows.reshape(-1, len(W)) @ W).reshape(*rows.shape[:-1], -1)


def flops(problem: Network) -> float:
    """Return about how many operations ∂F/∂x takes from the nearer end, and the forward pass."""
    inner = list(pairwise(problem.sizes))
    from_output = sum(problem.sizes[-1] * h * n for n, h in inner[:-1])
    from_input = sum(problem.sizes[0] * h * n for n, h in inner[1:])
    return 2.0 * problem.rows * (min(from_output, from_input) + problem.parameter_count)


INPUT_JACOBIAN = Family("∂F/∂x", expected, flops=flops)


@INPUT_JACOBIAN.contestant("net.jacobian(x).dense()", role="ours")
def structured(problem: Network) -> Call:
    """Linearised, planned and multiplied by each call; units that are dead at x are left out."""
    net, x, batched = ours(problem), problem.x(), problem.points is not None
    return lambda: net.jacobian(x, batched=batched).dense()


@functools.lru_cache(2)
def _compiled(problem: Network, engine: str = "numpy") -> Any:
    import backprop

    x = problem.x()
    return backprop.compile(
        ours(problem), batched=problem.points is not None, shape=x.shape, dtype=problem.dtype, engine=engine
    )


def _with_code(call: Any, jacobian: Any, x: Any, *out: Any) -> Call:
    """Return a call that names what is kept between calls, and the code of one block of points, for a profile."""
    from jacobians.numerics.blas_threads import blas_threads

    in_blocks = x.ndim > 1 and jacobian.block < len(x)
    call.kept = jacobian.workspace * (blas_threads() if in_blocks else 1)
    if jacobian.form == "arrays":
        pick = 0 if jacobian.block == 1 and x.ndim > 1 else slice(jacobian.block)
        parts = (x, *out) if x.ndim == 1 else [np.ascontiguousarray(array[pick]) for array in (x, *out)]
        call.code = Code(jacobian.source, jacobian.constants, parts)
    return call


@INPUT_JACOBIAN.contestant("backprop.compile(net)(x)", role="ours")
def compiled(problem: Network) -> Call:
    """Straight-line code, into a fresh array."""
    jacobian, x = _compiled(problem), problem.x()
    return _with_code(lambda: jacobian(x), jacobian, x)


@INPUT_JACOBIAN.contestant("backprop.compile(net)(x, out)", role="ours")
def compiled_into(problem: Network) -> Call:
    """The same into a given array."""
    jacobian, x = _compiled(problem), problem.x()
    out = np.empty_like(jacobian(x))
    return _with_code(lambda: jacobian(x, out), jacobian, x, out)


@INPUT_JACOBIAN.contestant(NUMBA, role="ours")
def compiled_by_numba(problem: Network) -> Call:
    """The same recording compiled by Numba (extra `fast`), into a fresh array."""
    jacobian, x = _compiled(problem, "numba"), problem.x()
    return lambda: jacobian(x)


@INPUT_JACOBIAN.contestant(NUMBA_OUT, role="ours")
def compiled_by_numba_into(problem: Network) -> Call:
    """The same into a given array."""
    jacobian, x = _compiled(problem, "numba"), problem.x()
    out = np.empty_like(jacobian(x))
    return lambda: jacobian(x, out)


@INPUT_JACOBIAN.contestant(NUMBA_INTO, role="ours")
def prepared_by_numba(problem: Network) -> Call:
    """Arrays that were looked at once, as CasADi's buffers."""
    if problem.points is not None or problem.parameter_count > MOST_EXPRESSIONS:
        raise Unsuitable("a look at the arrays takes no time beside the rest")
    jacobian, x = _compiled(problem, "numba"), problem.x()
    out = np.empty_like(jacobian(x))
    write = jacobian.into(x, out)

    def call() -> Any:
        write()
        return out

    return call


@INPUT_JACOBIAN.contestant(JAX, runtime="jax", role="ours")
def compiled_by_jax(problem: Network) -> Call:
    """The same recording on JAX (extra `jax`), from and to its own arrays."""
    import jax

    jacobian, x = _compiled(problem, "jax"), jax.numpy.asarray(problem.x())
    return lambda: jacobian(x).block_until_ready()


def _products(problem: Network) -> tuple[Any, Any]:
    """Return the dense products of the cheapest order, as a function of arrays, and the arrays."""
    import backprop

    matrices = [W for W, _ in problem.weights()[::-1]]
    tree: Any = backprop.Chain(matrices).plan("optimal").tree
    if problem.points is None:

        def product(given: Any, tree: Any = tree) -> Any:
            return given[tree] if isinstance(tree, int) else product(given, tree[0]) @ product(given, tree[1])

        return product, matrices

    # every point has its own product from the first one on, for a diagonal of the point stands between two factors
    scaled = [np.broadcast_to(W, (problem.points, *W.shape)).copy() for W in matrices]

    def products(given: Any, tree: Any = tree) -> Any:
        plain, scaled = given
        left, right = tree
        if isinstance(right, int):
            J = scaled[left] if isinstance(left, int) else products(given, left)
            W = plain[right]
            return (J.reshape(-1, len(W)) @ W).reshape(*J.shape[:2], W.shape[1])
        X = products(given, right)
        if not isinstance(left, int):
            return products(given, left) @ X
        # one product with the columns of all points side by side; the transposes are views from the second one on
        N, k, n = X.shape
        return (plain[left] @ X.transpose(1, 0, 2).reshape(k, N * n)).reshape(-1, N, n).transpose(1, 0, 2)

    return products, (matrices, scaled)


@INPUT_JACOBIAN.contestant("least matrix products by NumPy", role="floor")
def floor(problem: Network) -> Call:
    """The cheapest order of dense products by NumPy alone: no forward pass, no derivatives, no scaling."""
    products, given = _products(problem)
    return lambda: products(given)


@INPUT_JACOBIAN.contestant("least matrix products by JAX", runtime="jax", role="products")
def products_by_jax(problem: Network) -> Call:
    """The same by XLA's kernels, which may be faster than those of NumPy's BLAS."""
    import jax

    if flops(problem) < MANY:
        raise Unsuitable("a call takes longer than the products")
    products, given = _products(problem)
    given = jax.tree.map(jax.numpy.asarray, given)
    jitted = jax.jit(lambda given: products(given))
    return lambda: jitted(given).block_until_ready()


MANY = 1e5  # operations beside which the call of a compiled function is little


# --- JAX -------------------------------------------------------------------------------------------------


def _jax(problem: Network, derive: str) -> Call:
    import jax

    network, layers, x = in_jax(problem)
    jacobian = getattr(jax, derive)(lambda point: network(layers, point))  # weights closed over: constants
    jitted = jax.jit(jacobian if problem.points is None else jax.vmap(jacobian))
    return lambda: jitted(x).block_until_ready()


@INPUT_JACOBIAN.contestant("jax.jit(jacrev)", runtime="jax")
def jax_reverse(problem: Network) -> Call:
    """A row of J after the other, vectorised and compiled."""
    return _jax(problem, "jacrev")


@INPUT_JACOBIAN.contestant("jax.jit(jacfwd)", runtime="jax")
def jax_forward(problem: Network) -> Call:
    """A column after the other."""
    return _jax(problem, "jacfwd")


# --- PyTorch ---------------------------------------------------------------------------------------------


def _torch(problem: Network, derive: str) -> Call:
    import torch

    network, layers, x = in_torch(problem)
    jacobian = getattr(torch.func, derive)(lambda point: network(layers, point))
    call = jacobian if problem.points is None else torch.func.vmap(jacobian)
    return lambda: call(x)


@INPUT_JACOBIAN.contestant("torch.func.jacrev", runtime="torch")
def torch_reverse(problem: Network) -> Call:
    """PyTorch's composable transforms, with vmap for many points."""
    return _torch(problem, "jacrev")


@INPUT_JACOBIAN.contestant("torch.func.jacfwd", runtime="torch")
def torch_forward(problem: Network) -> Call:
    """The same, forward."""
    return _torch(problem, "jacfwd")


@INPUT_JACOBIAN.contestant("torch.compile(jacrev)", runtime="torch")
def torch_compiled(problem: Network) -> Call:
    """The transform compiled by Inductor."""
    import torch

    if problem.dtype != "float64":
        raise Unsuitable("compiling takes long: in double precision only")
    network, layers, x = in_torch(problem)
    jacobian = torch.func.jacrev(lambda point: network(layers, point))
    call = torch.compile(jacobian if problem.points is None else torch.func.vmap(jacobian))
    return lambda: call(x)


def _of_the_sum(jacobian: Any) -> Any:
    """Return (N, m, n) from ∂(Σ_p F(x_p))/∂X of shape (m, N, n): a point's outputs depend on that point alone."""
    return np.moveaxis(np.asarray(jacobian), 1, 0) if np.ndim(jacobian) == 3 else np.asarray(jacobian)


@INPUT_JACOBIAN.contestant("torch.autograd.functional.jacobian", runtime="torch", answer=_of_the_sum)
def torch_functional(problem: Network) -> Call:
    """The older interface, vectorised; many points through the sum of their outputs."""
    import torch

    network, layers, x = in_torch(problem)

    def outputs(points: Any) -> Any:
        values = network(layers, points)
        return values if problem.points is None else values.sum(0)

    return lambda: torch.autograd.functional.jacobian(outputs, x, vectorize=True)


# --- HIPS autograd ---------------------------------------------------------------------------------------


@INPUT_JACOBIAN.contestant(
    "autograd.jacobian", runtime="autograd", answer=_of_the_sum, slow=lambda problem: flops(problem) > 1e10
)
def autograd_jacobian(problem: Network) -> Call:
    """Many points through the sum of their outputs."""
    import autograd

    network, layers, x = in_autograd(problem)

    def outputs(points: Any) -> Any:
        values = network(layers, points)
        return values if problem.points is None else values.sum(axis=0)

    jacobian = autograd.jacobian(outputs)
    return lambda: jacobian(x)


# --- CasADi ----------------------------------------------------------------------------------------------

MOST_EXPRESSIONS = 5000  # parameters, beyond which writing the expressions out takes minutes


def _casadi(problem: Network) -> Any:
    import casadi

    if problem.points is not None or problem.parameter_count > MOST_EXPRESSIONS:
        raise Unsuitable("it writes out an expression for each entry of one Jacobian")
    x = casadi.SX.sym("x", problem.sizes[0])
    value = x
    for W, b in problem.weights()[:-1]:
        z = casadi.DM(W) @ value + casadi.DM(b)
        value = casadi.tanh(z) if problem.activation == "tanh" else casadi.fmax(z, 0)
    W, b = problem.weights()[-1]
    jacobian = casadi.jacobian(casadi.DM(W) @ value + casadi.DM(b), x)
    return casadi.Function("jacobian", [x], [casadi.densify(jacobian)])


@INPUT_JACOBIAN.contestant("casadi.Function(x)", runtime="casadi", answer=np.asarray)
def casadi_call(problem: Network) -> Call:
    """Its own graph of scalars, interpreted; a matrix of its own is returned."""
    function, x = _casadi(problem), problem.x()
    return lambda: function(x)


@INPUT_JACOBIAN.contestant("casadi.Function.buffer", runtime="casadi")
def casadi_buffer(problem: Network) -> Call:
    """The same from and into memory that is bound once, columns first."""
    function, x = _casadi(problem), problem.x().astype(np.float64)  # its only precision
    found = np.zeros((problem.sizes[-1], problem.sizes[0]), order="F")
    buffer, call = function.buffer()
    buffer.set_arg(0, memoryview(x))
    buffer.set_res(0, memoryview(found.T).cast("B").cast("d"))

    def into() -> Any:
        call()
        return found

    into.alive = buffer, x  # CasADi keeps addresses only
    return into


# --- cases -----------------------------------------------------------------------------------------------

BOTTLENECK = (784, 256, 32, 256, 784)
DEEP = (256,) * 21
WIDE = (1024,) * 5
FRESH = "backprop.compile(net)(x)"
PLAIN, BUFFER = "casadi.Function(x)", "casadi.Function.buffer"
TO_CASADI = (Goal(PLAIN, ours=NUMBA), Goal(PLAIN, ours=NUMBA_OUT), Goal(BUFFER, ours=NUMBA_OUT))


def _point(title: str, sizes: tuple[int, ...], phi: str, *goals: Goal, single: bool = False) -> Case:
    return Case(INPUT_JACOBIAN, f"a point, {title} {phi}", Network(sizes, phi), goals, single)


def _points(count: int, title: str, sizes: tuple[int, ...], phi: str, *goals: Goal, **options: Any) -> Case:
    return Case(
        INPUT_JACOBIAN, f"{count} points, {title} {phi}", Network(sizes, phi, count), goals, **options
    )


CASES = (
    _point("2-3-4-1", (2, 3, 4, 1), "tanh",
        Goal("jax", 7, ours=NUMBA), Goal(BUFFER, 1.2, ours=NUMBA_INTO), *TO_CASADI, Goal("jax", ours="alone"),
        Goal("floor"),
    ),
    _point("2-3-4-1", (2, 3, 4, 1), "relu",
        Goal("jax", 3.5, ours=FRESH), Goal("jax", ours=NUMBA), Goal(BUFFER, ours=NUMBA_INTO), *TO_CASADI, Goal("floor"),
    ),
    _point(
        "64-128-64-10", (64, 128, 64, 10), "tanh",
        Goal("peer", 2.5), Goal("peer", ours="alone"), Goal("floor"), single=True,
    ),
    _point("784-256-32-256-784", BOTTLENECK, "tanh",
        Goal("peer", 8), Goal("peer", ours="alone"), Goal("floor"), single=True),
    _point("784-256-32-256-784", BOTTLENECK, "relu", Goal("peer", 8), Goal("peer", ours="alone"), Goal("floor")),
    _point("256 × 20", DEEP, "relu", Goal("peer", 3), Goal("floor", 2.4), single=True),
    _point("1024 × 4", WIDE, "relu", Goal("peer", 3), Goal("floor", 2.4)),
    _point("256 × 20", DEEP, "tanh", Goal("peer", 1.1), Goal("floor", 0.85), single=True),
    _point("1024 × 4", WIDE, "tanh", Goal("peer", 1.1), Goal("floor", 0.85)),
    _points(
        64, "784-256-32-256-784", BOTTLENECK, "tanh",
        Goal("peer", 5), Goal("peer", ours="fresh"), Goal("peer", ours="alone"), Goal("floor"), single=True,
    ),
    _points(64, "256 × 20", DEEP, "relu", Goal("peer", 2.8), Goal("floor")),
    _points(64, "256 × 20", DEEP, "tanh", Goal("peer", 1), Goal("floor"), single=True),
    _points(64, "2-3-4-1", (2, 3, 4, 1), "tanh", Goal("peer", 10), Goal("peer", ours="alone")),
    _points(1024, "2-3-4-1", (2, 3, 4, 1), "tanh", Goal("peer", 2.5), Goal("peer", ours="alone")),
    _points(
        64, "64-128-64-10", (64, 128, 64, 10), "tanh",
        Goal("peer", 0.95), Goal("peer", ours="alone"), Goal("floor"), CALM,
    ),
    _points(1024, "64-128-64-10", (64, 128, 64, 10), "tanh",
        Goal("peer", 1.2), Goal("peer", ours="alone"), Goal("floor"), single=True),
)  # fmt: skip
