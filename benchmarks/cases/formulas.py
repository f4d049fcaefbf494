"""Closed forms of matrix calculus, beside sympy's."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np

from .family import Call, Case, Family, Goal, OwnClock


@dataclasses.dataclass(frozen=True)
class Formula:
    """A formula in our language, and what it is differentiated by."""

    text: str
    by: str
    declare: tuple[tuple[str, str], ...] = ()
    dtype: str = "float64"

    def values(self) -> dict[str, Any]:
        """Return random numbers for its letters, of size 3."""
        random = np.random.default_rng(len(self.text))
        return {name: random.standard_normal([3] * sizes.count("n")) for name, sizes in self.declare}


def expected(problem: Formula) -> Any:
    """Return the derivative by complex steps of the same formula in NumPy."""
    values = problem.values()
    x, h = values[problem.by], 1e-30

    def f(x: Any) -> Any:
        A, y = values.get("A"), values.get("y")
        return x @ A @ x if problem.text == "x'*A*x" else y @ np.linalg.inv(x) @ y

    steps = np.eye(x.size).reshape(x.size, *x.shape)
    return np.array([f(x + 1j * h * step).imag / h for step in steps]).reshape(x.shape)


CLOSED_FORMS = Family("closed form of a derivative", expected, flops=lambda problem: 0.0)


@CLOSED_FORMS.contestant("derive(…).text", role="ours")
def ours(problem: Formula) -> OwnClock:
    """Read, derived, simplified, written out."""
    from jacobians import derive

    def seconds() -> float:
        start = time.perf_counter()
        _ = derive(problem.text, problem.by, declare=dict(problem.declare)).text
        return time.perf_counter() - start

    found = derive(problem.text, problem.by, declare=dict(problem.declare))
    return OwnClock(seconds, lambda: np.asarray(found.evaluate(**problem.values())))


@CLOSED_FORMS.contestant("sympy MatrixSymbol.diff", answer=None)
def sympy_form(problem: Formula) -> Call:
    """Its matrix expressions, its cache emptied before each; layouts differ, so that answers are not compared."""
    import sympy
    from sympy.core.cache import clear_cache

    def call() -> str:
        clear_cache()
        n = sympy.Symbol("n")
        X, x, y = sympy.MatrixSymbol("X", n, n), sympy.MatrixSymbol("x", n, 1), sympy.MatrixSymbol("y", n, 1)
        if problem.by == "x":
            return str((x.T * sympy.MatrixSymbol("A", n, n) * x).diff(x))
        return str((y.T * X.I * y).diff(X))

    return call


CASES = (
    Case(CLOSED_FORMS, "x'*A*x by x", Formula("x'*A*x", "x", (("A", "n×n"), ("x", "n"))), (Goal(),)),
    Case(
        CLOSED_FORMS, "y'*inv(X)*y by X", Formula("y'*inv(X)*y", "X", (("X", "n×n"), ("y", "n"))), (Goal(),)
    ),
)
