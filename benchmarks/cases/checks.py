"""Symbolic and certified checks of ∂F/∂x of a small network."""

from __future__ import annotations

from typing import Any

import numpy as np

from .family import Call, Case, Family, Goal
from .input_jacobians import expected, flops
from .networks import Network, ours


def one(problem: Network) -> Any:
    """Return 1: the candidate is right."""
    return np.asarray(1.0)


SYMBOLIC = Family("symbolic check of ∂F/∂x", one, flops=flops)
CERTIFIED = Family("certified check of ∂F/∂x", one, flops=flops)


def _check(problem: Network, witness: str) -> Call:
    from sympy.core.cache import clear_cache

    import verification

    net, x = ours(problem), problem.x()

    def call() -> Any:
        clear_cache()  # or a second call would look up what the first one found
        return verification.check(net, x, witnesses=[witness])

    return call


@SYMBOLIC.contestant(
    'verification.check(net, x, witnesses=["symbolic"])',
    role="ours",
    answer=lambda report: float(report.passed),
)
def symbolic(problem: Network) -> Call:
    """The forward code on symbols, layer by layer."""
    return _check(problem, "symbolic")


@CERTIFIED.contestant(
    'verification.check(net, x, witnesses=["certified"])',
    role="ours",
    answer=lambda report: float(report.passed),
)
def certified(problem: Network) -> Call:
    """The forward code on power series of balls."""
    import flint  # noqa: F401  # says what is missing

    return _check(problem, "certified")


def _sympy_network(problem: Network) -> tuple[Any, Any]:
    import sympy

    symbols = sympy.symbols(f"x:{problem.sizes[0]}")
    values = sympy.Matrix(symbols)
    layers = problem.weights()
    for place, (W, b) in enumerate(layers):
        values = sympy.Matrix(W) * values + sympy.Matrix(b)
        if place < len(layers) - 1:
            values = values.applyfunc(
                sympy.tanh if problem.activation == "tanh" else lambda z: sympy.Max(z, 0)
            )
    return symbols, values


def _agrees(found: Any, J: Any) -> float:
    return float(np.abs(np.asarray(found, dtype=float) - J).max() <= 1e-9 * np.abs(J).max())


@SYMBOLIC.contestant("sympy Matrix.jacobian, lambdify(cse=True)")
def lambdified(problem: Network) -> Call:
    """The whole network as one expression, differentiated entry by entry, and compiled to NumPy code."""
    import sympy
    from sympy.core.cache import clear_cache

    x, J = problem.x(), expected(problem)

    def call() -> float:
        clear_cache()
        symbols, values = _sympy_network(problem)
        return _agrees(sympy.lambdify(symbols, values.jacobian(symbols), cse=True)(*x), J)

    return call


@SYMBOLIC.contestant("sympy Matrix.jacobian, subs, evalf", slow=lambda problem: True)
def substituted(problem: Network) -> Call:
    """The same, numbers put in and evaluated by sympy."""
    from sympy.core.cache import clear_cache

    x, J = problem.x(), expected(problem)

    def call() -> float:
        clear_cache()
        symbols, values = _sympy_network(problem)
        return _agrees(values.jacobian(symbols).subs(dict(zip(symbols, x, strict=True))).evalf(), J)

    return call


NETWORK = Network((4, 8, 8, 4), "tanh")

CASES = (
    Case(
        SYMBOLIC,
        "4-8-8-4 tanh",
        NETWORK,
        (
            Goal(seconds=10e-3),
            Goal("sympy Matrix.jacobian, lambdify(cse=True)", 5),
            Goal("sympy Matrix.jacobian, subs, evalf", 500),
        ),
    ),
    Case(CERTIFIED, "4-8-8-4 tanh", NETWORK, (Goal(seconds=5e-3),)),
)
