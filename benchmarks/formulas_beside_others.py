"""Closed forms beside sympy's matrix derivatives and tensorgrad's: ``python benchmarks/formulas_beside_others.py``.

CPU time of a derivation, least of five, caches emptied before each; and whether the answer is right: its value at one
random point of 3×3 beside central differences of the formula's own NumPy code, in any layout. tensorgrad
(group `peers`) has a column where it is installed: the time until its network is simplified. It has no matrix notation,
and its answers are not judged: it evaluates with torch's named tensors, which newer versions of torch have not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import sympy
from sympy import Determinant, MatrixSymbol, OneMatrix, Trace

from jacobians import derive

N, M = 3, 2
SHAPES = {"A": (N, N), "X": (N, N), "W": (M, N), "x": (N, 1), "b": (M, 1), "a": (N, 1), "y": (N, 1)}


def _symbols(n: Any, m: Any) -> dict[str, Any]:
    sizes = {N: n, M: m, 1: 1}
    return {name: MatrixSymbol(name, sizes[rows], sizes[columns]) for name, (rows, columns) in SHAPES.items()}


Row = tuple[str, str, Callable[..., Any], Callable[..., Any]]
"""A formula, by what, the same for sympy, and its value."""

ROWS: list[Row] = [
    ("a'*x", "x", lambda a, x, **_: a.T * x, lambda a, x, **_: a.T @ x),
    ("x'*A*x", "x", lambda x, A, **_: x.T * A * x, lambda x, A, **_: x.T @ A @ x),
    (
        "norm2(W*x - b)^2",
        "x",
        lambda W, x, b, **_: (W * x - b).T * (W * x - b),
        lambda W, x, b, **_: np.sum((W @ x - b) ** 2),
    ),
    ("tr(A*X)", "X", lambda A, X, **_: Trace(A * X), lambda A, X, **_: np.trace(A @ X)),
    ("tr(X'*A*X)", "X", lambda A, X, **_: Trace(X.T * A * X), lambda A, X, **_: np.trace(X.T @ A @ X)),
    ("tr(inv(X))", "X", lambda X, **_: Trace(X.I), lambda X, **_: np.trace(np.linalg.inv(X))),
    (
        "a'*inv(X)*y",
        "X",
        lambda a, X, y, **_: a.T * X.I * y,
        lambda a, X, y, **_: a.T @ np.linalg.inv(X) @ y,
    ),
    (
        "logdet(X)",
        "X",
        lambda X, **_: sympy.log(Determinant(X)),
        lambda X, **_: np.log(np.linalg.det(X)),
    ),
    ("det(X)", "X", lambda X, **_: Determinant(X), lambda X, **_: np.linalg.det(X)),
    ("a'*X*X*y", "X", lambda a, X, y, **_: a.T * X * X * y, lambda a, X, y, **_: a.T @ X @ X @ y),
    ("W*x", "x", lambda W, x, **_: W * x, lambda W, x, **_: W @ x),
    ("tanh(W*x)", "x", lambda W, x, **_: (W * x).applyfunc(sympy.tanh), lambda W, x, **_: np.tanh(W @ x)),
    (
        "sum(exp(x))",
        "x",
        lambda x, **_: OneMatrix(1, x.shape[0]) * x.applyfunc(sympy.exp),
        lambda x, **_: np.sum(np.exp(x)),
    ),
    (
        "a'*tanh(A*x)",
        "x",
        lambda a, A, x, **_: a.T * (A * x).applyfunc(sympy.tanh),
        lambda a, A, x, **_: a.T @ np.tanh(A @ x),
    ),
]


def least(derivation: Callable[[], Any]) -> tuple[float, Any]:
    """Return the least CPU milliseconds of five, and the answer."""
    best, answer = np.inf, None
    for _ in range(5):
        sympy.core.cache.clear_cache()
        begun = time.process_time()
        answer = derivation()
        best = min(best, time.process_time() - begun)
    return best * 1e3, answer


def differences(value: Callable[..., Any], by: str, point: Mapping[str, Any]) -> Any:
    """Return the Jacobian (outputs × inputs) by central differences."""
    columns = []
    for place in np.ndindex(point[by].shape):
        step = np.zeros(point[by].shape)
        step[place] = 1e-6
        above, below = (value(**{**point, by: point[by] + sign * step}) for sign in (1, -1))
        columns.append((np.ravel(above) - np.ravel(below)) / 2e-6)
    return np.stack(columns, axis=-1)


def verdict(found: Any, truth: Any) -> str:
    """Return whether an array is the derivative, in the layout of its rows or of its columns."""
    entries = np.ravel(found)
    laid_out = (truth.ravel(), truth.T.ravel())
    right = any(entries.shape == one.shape and np.allclose(entries, one, atol=1e-6) for one in laid_out)
    return "right" if right else "wrong"


def main() -> None:
    """Print a row a formula."""
    rng = np.random.default_rng(0)
    point = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}
    point["X"] = point["X"] @ point["X"].T + np.eye(N)
    letters = _symbols(*sympy.symbols("n m", integer=True, positive=True))
    numbers = _symbols(N, M)
    values = {numbers[name]: sympy.Matrix(array) for name, array in point.items()}
    others = networks() if find_spec("tensorgrad") is not None else None
    print("| formula | ours, ms | ours | sympy, ms | sympy | tensorgrad, ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for formula, by, expression, value in ROWS:
        truth = differences(value, by, point)
        ours, d = least(partial(_texted, formula, by))
        found = d.evaluate(**{name: np.squeeze(point[name]) for name in d.sizes})
        theirs, _ = least(partial(_by_sympy, expression, letters, by))
        try:
            answer = sympy.sympify(_by_sympy(expression, numbers, by)).subs(values).doit()
            explicit = answer.as_explicit() if hasattr(answer, "as_explicit") else answer
            judged = verdict(np.array(explicit, float), truth)
        except (TypeError, ValueError):  # it answers with a Derivative that it can't evaluate
            judged = "no answer"
        network = "–"
        if others is not None:
            variables, networks_of = others
            network = f"{least(partial(_by_tensorgrad, networks_of[formula], variables[by]))[0]:.2f}"
        print(f"| {formula} | {ours:.2f} | {verdict(found, truth)} | {theirs:.2f} | {judged} | {network} |")


# --- tensorgrad ----------------------------------------------------------------------------------------------------


def networks() -> tuple[dict[str, Any], dict[str, Callable[[], Any]]]:
    """Return tensorgrad's variables, and each formula as a tensor network with named edges."""
    import tensorgrad.functions as tg
    from tensorgrad import Variable

    n, m = sympy.symbols("n m")
    v = {name: Variable(name, i=n) for name in "axy"} | {name: Variable(name, i=n, j=n) for name in "AX"}
    v |= {"W": Variable("W", k=m, i=n), "b": Variable("b", k=m)}
    a, x, y, A, X, W, b = (v[name] for name in "axyAXWb")
    return v, {
        "a'*x": lambda: a @ x,
        "x'*A*x": lambda: x @ A @ x.rename(i="j"),
        "norm2(W*x - b)^2": lambda: tg.frobenius2(W @ x - b),
        "tr(A*X)": lambda: A @ X.rename(i="j", j="i"),
        "tr(X'*A*X)": lambda: X.rename(i="p", j="q") @ A.rename(i="p", j="r") @ X.rename(i="r", j="q"),
        "tr(inv(X))": lambda: tg.trace(tg.inverse(X)),
        "a'*inv(X)*y": lambda: a @ tg.inverse(X) @ y.rename(i="j"),
        "logdet(X)": lambda: tg.log(tg.det(X)),
        "det(X)": lambda: tg.det(X),
        "a'*X*X*y": lambda: a @ X @ X.rename(i="j", j="p") @ y.rename(i="p"),
        "W*x": lambda: W @ x,
        "tanh(W*x)": lambda: tg.tanh(W @ x),
        "sum(exp(x))": lambda: tg.sum(tg.exp(x)),
        "a'*tanh(A*x)": lambda: a @ tg.tanh(A @ x.rename(i="j")),
    }


def _by_tensorgrad(network: Callable[[], Any], by: Any) -> Any:
    return network().grad(by).full_simplify()


def _texted(formula: str, by: str) -> Any:
    d = derive(formula, by)
    str(d)
    return d


def _by_sympy(expression: Callable[..., Any], symbols: Mapping[str, Any], by: str) -> Any:
    return expression(**symbols).diff(symbols[by])


if __name__ == "__main__":
    main()
