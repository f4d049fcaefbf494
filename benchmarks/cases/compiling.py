"""What compiling ∂F/∂x takes, until the first answer: what is compiled once is used many times."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from .family import Case, Family, Goal, OwnClock
from .input_jacobians import expected
from .networks import Network, in_jax, ours

COMPILING = Family("compiling ∂F/∂x and the first call", expected)


def _clocked(first: Any) -> OwnClock:
    def seconds() -> float:
        start = time.perf_counter()
        first()
        return time.perf_counter() - start

    return OwnClock(seconds, first)


def _ours(problem: Network, engine: str) -> OwnClock:
    import backprop

    net, x = ours(problem), problem.x()
    options: Any = {"batched": problem.points is not None, "shape": x.shape, "engine": engine}
    backprop.compile(ours(Network((2, 2), "tanh")), engine=engine)  # the library is loaded
    return _clocked(lambda: backprop.compile(net, **options)(x))


@COMPILING.contestant("backprop.compile(net)", role="ours")
def alone(problem: Network) -> OwnClock:
    """NumPy's code."""
    return _ours(problem, "numpy")


@COMPILING.contestant("backprop.compile(net, engine='numba')", role="ours")
def by_numba(problem: Network) -> OwnClock:
    """Machine code by LLVM."""
    return _ours(problem, "numba")


@COMPILING.contestant("jax.jit(jacrev)", runtime="jax", answer=np.asarray)
def by_jax(problem: Network) -> OwnClock:
    """Machine code by XLA."""
    import jax

    network, layers, x = in_jax(problem)
    jacobian = jax.jacrev(lambda point: network(layers, point))

    def first() -> Any:
        jax.clear_caches()
        call = jax.jit(jacobian if problem.points is None else jax.vmap(jacobian))
        return np.asarray(call(x).block_until_ready())

    return _clocked(first)


_GOALS = (
    Goal("jax", ours="backprop.compile(net)"),
    Goal("jax", ours="backprop.compile(net, engine='numba')"),
)
CASES = (
    Case(COMPILING, "a point, 2-3-4-1 tanh", Network((2, 3, 4, 1), "tanh"), _GOALS),
    Case(COMPILING, "64 points, 64-128-64-10 tanh", Network((64, 128, 64, 10), "tanh", 64), _GOALS),
)
