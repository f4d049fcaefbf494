"""Jacobians by differences, and checks of a Jacobian along a few directions, of f(x) = tanh(W x + b)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from .family import Call, Case, Family, Goal, Unsuitable


@dataclasses.dataclass(frozen=True)
class Field:
    """f(x) = tanh(W x + b) from n numbers to n numbers, at a point; on one thread of BLAS, or on all."""

    n: int
    dtype: str = "float64"
    one_thread: bool = False

    def arrays(self) -> tuple[Any, Any, Any]:
        """Return W, b and x."""
        random = np.random.default_rng(self.n)
        W = random.standard_normal((self.n, self.n)) / np.sqrt(self.n)
        b, x = random.standard_normal((2, self.n)) / 2
        return W.astype(self.dtype), b.astype(self.dtype), x.astype(self.dtype)

    def plain(self) -> Callable[[Any], Any]:
        """Return f as the NumPy code that a user would write."""
        W, b, _ = self.arrays()
        return lambda x: np.tanh(W @ x + b)

    def function(self) -> Any:
        """Return f as a Function of ours, which takes many points in one call."""
        from jacobians import Affine, Sequential, Tanh

        W, b, _ = self.arrays()
        return Sequential(Affine(W, b), Tanh())


def expected(problem: Field) -> Any:
    """Return diag(1 − tanh²) W."""
    W, b, x = problem.arrays()
    return (1 - np.tanh(W @ x + b) ** 2)[:, None] * W


DIFFERENCES = Family(
    "Jacobian by differences",
    expected,
    {"float64": 1e-6, "float32": 2e-2},
    flops=lambda problem: 4.0 * problem.n**3,
)  # 2n evaluations, a product of 2n² operations each


@DIFFERENCES.contestant("verification.finite_difference_jacobian(Function)", role="ours")
def central(problem: Field) -> Call:
    """Central differences of a Function: all points in one call."""
    import verification

    f, x = problem.function(), problem.arrays()[2]
    return lambda: verification.finite_difference_jacobian(f, x, method="central")


@DIFFERENCES.contestant("verification.finite_difference_jacobian(plain f)", role="ours")
def central_plain(problem: Field) -> Call:
    """Central differences of plain NumPy code: a call a point."""
    import verification

    f, x = problem.plain(), problem.arrays()[2]
    return lambda: verification.finite_difference_jacobian(f, x, method="central")


@DIFFERENCES.contestant("verification.finite_difference_jacobian(plain f, vectorized=True)", role="ours")
def central_vectorized(problem: Field) -> Call:
    """Central differences of plain NumPy code that takes points along a first axis: all points in one call."""
    import verification

    W, b, x = problem.arrays()
    return lambda: verification.finite_difference_jacobian(
        lambda X: np.tanh(X @ W.T + b), x, method="central", vectorized=True
    )


@DIFFERENCES.contestant("2n evaluations", role="floor")
def evaluations(problem: Field) -> Call:
    """f at as many points as central differences need, in blocks that fit into a cache."""
    W, b, x = problem.arrays()
    block = np.repeat(x[None], min(2 * problem.n, 64), axis=0)
    counts = -(-2 * problem.n // len(block))

    def call() -> None:
        for _ in range(counts):
            z = block @ W.T
            z += b
            np.tanh(z, out=z)

    return call


@DIFFERENCES.contestant("scipy.optimize.approx_fprime", runtime="scipy")
def approx_fprime(problem: Field) -> Call:
    """Forward differences: half of the evaluations, half of the digits."""
    from scipy.optimize import approx_fprime

    f, x = problem.plain(), problem.arrays()[2]
    return lambda: approx_fprime(x, f)


@DIFFERENCES.contestant("scipy approx_derivative, 3-point", runtime="scipy")
def three_point(problem: Field) -> Call:
    """Central differences: what scipy.optimize calls for jac="3-point"."""
    from scipy.optimize._numdiff import approx_derivative

    f, x = problem.plain(), problem.arrays()[2]
    return lambda: approx_derivative(f, x, method="3-point")


@DIFFERENCES.contestant("scipy.differentiate.jacobian", runtime="scipy", answer=lambda result: result.df)
def differentiate(problem: Field) -> Call:
    """Differences of order 8 with a step that is refined; f gets many points in one call."""
    from scipy.differentiate import jacobian

    if problem.n > 100:
        raise Unsuitable("it evaluates f at n² numbers for each step of each input: gigabytes")
    W, b, x = problem.arrays()
    return lambda: jacobian(lambda x: np.tanh(np.tensordot(W, x, 1) + b.reshape(-1, *[1] * (x.ndim - 1))), x)


@DIFFERENCES.contestant("numdifftools.Jacobian", runtime="numdifftools", slow=lambda problem: problem.n > 100)
def numdifftools(problem: Field) -> Call:
    """Extrapolated differences by adaptive steps."""
    import numdifftools

    f, x = problem.plain(), problem.arrays()[2]
    jacobian = numdifftools.Jacobian(f)
    return lambda: jacobian(x)


# --- a check along a few directions ----------------------------------------------------------------------


def verdict(problem: Field) -> Any:
    """Return 1: the candidate is right."""
    return np.asarray(1.0)


DIRECTIONS = Family(
    "check of a Jacobian along random directions", verdict, flops=lambda problem: 40.0 * problem.n**2
)  # 16 moved points and a few products


def _projections(f: Callable[[Any], Any], problem: Field) -> Call:
    import verification

    x, J = problem.arrays()[2], expected(problem)

    def call() -> Any:
        return verification.check(f, x, J, witnesses=["projections"])

    if not problem.one_thread:
        return call
    from jacobians.numerics.blas_threads import one_blas_thread

    def alone() -> Any:
        with one_blas_thread():
            return call()

    return alone


def _passed(report: Any) -> float:
    return float(report.passed)


@DIRECTIONS.contestant('verification.check(plain f, witnesses=["projections"])', role="ours", answer=_passed)
def projections_plain(problem: Field) -> Call:
    """J v for random directions against differences of plain NumPy code."""
    return _projections(problem.plain(), problem)


@DIRECTIONS.contestant('verification.check(Function, witnesses=["projections"])', role="ours", answer=_passed)
def projections(problem: Field) -> Call:
    """The same of a Function."""
    return _projections(problem.function(), problem)


@DIRECTIONS.contestant("scipy.optimize.approx_fprime, compared", runtime="scipy")
def compared(problem: Field) -> Call:
    """The whole Jacobian by differences, and its largest deviation: what scipy.optimize.check_grad does for one row."""
    from scipy.optimize import approx_fprime

    if problem.one_thread:
        raise Unsuitable("compared on all threads")
    f, x, J = problem.plain(), problem.arrays()[2], expected(problem)
    return lambda: float(np.abs(approx_fprime(x, f) - J).max() < 1e-5)


@DIRECTIONS.contestant("torch.autograd.gradcheck(fast_mode=True)", runtime="torch", answer=float)
def gradcheck(problem: Field) -> Call:
    """One random projection from both sides of PyTorch's own derivative."""
    import torch

    W, b, x = (torch.from_numpy(array) for array in problem.arrays())
    x.requires_grad_()

    def call() -> Any:
        return torch.autograd.gradcheck(lambda x: torch.tanh(W @ x + b), (x,), fast_mode=True)

    if not problem.one_thread:
        return call

    def alone() -> Any:
        known = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return call()
        finally:
            torch.set_num_threads(known)

    return alone


PLAIN = "verification.finite_difference_jacobian(plain f)"

CASES = (
    *(
        Case(
            DIFFERENCES,
            f"{n}×{n}",
            Field(n),
            (*goals, Goal("numdifftools", 200), Goal("peer", ours=PLAIN), *more),
        )
        for n, goals, more in (
            (
                100,
                (Goal("scipy.optimize.approx_fprime", 3.5), Goal("scipy approx_derivative, 3-point", 6.5)),
                (Goal("floor"),),
            ),
            (1000, (Goal("floor", 0.9), Goal("scipy.optimize.approx_fprime")), ()),
        )
    ),
    Case(
        DIRECTIONS,
        "1000×1000",
        Field(1000),
        (
            Goal("scipy.optimize.approx_fprime, compared", 60),
            Goal("torch", 1.5),
        ),
    ),
    Case(DIRECTIONS, "1000×1000, one thread", Field(1000, one_thread=True), (Goal("torch", 1.5),)),
)
