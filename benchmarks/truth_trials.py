"""Does `check` tell right from wrong on functions that are no networks? Truth: differences of mpmath in 400 digits.

    python benchmarks/truth_trials.py [--trials N] [--seed N] [--start N]

Each trial draws a function of a family and a point. What float64 loses is the largest deviation from the truth of the
same derivative in float64, by a complex step of the code, at 16 inputs an ulp apart.
The right Jacobian is checked, and one with an error planted: a relative error of 1e-3 to 1e-6 or a flipped sign, in one
entry or in all. An error counts as visible if it is more than 1e-6 of its row's size and ten times what float64 loses;
others are not asked for. In float32, more than 2000 eps of its row's size (2.4e-4) stands for the 1e-6. Trials are
numbered, so that a run is continued by --start. Exit status 0 if no right one is called wrong, no visible one
right, and at most 3 % are undecided; otherwise 1.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath
import numpy as np
from truth_families import MORE, Draw, Rng

from verification import check

DIGITS = 400  # truth: differences with a step of 1e-120 keep 100 digits of the derivative
STEP = mpmath.mpf(10) ** -120
UNDECIDED = 0.03
SHIFTS = 16  # inputs an ulp apart, at which float64's own loss is measured
COMPLEX_STEP = 1e-10  # relative; of the derivative as float64 computes it


def _matrix(entries: Any, k: int) -> Any:
    return mpmath.matrix(k, k) + mpmath.matrix([list(entries[i * k : (i + 1) * k]) for i in range(k)])


def _flat(matrix: Any) -> list[Any]:
    return [matrix[i, j] for i in range(matrix.rows) for j in range(matrix.cols)]


def softmax(rng: Rng) -> Draw:
    """Return a softmax whose shift is not the row's own maximum."""
    shift = float(rng.uniform(-30, 60))

    def f(x: Any) -> Any:
        e = np.exp(x - shift)
        return e / e.sum()

    def exact(x: list[Any]) -> list[Any]:
        e = [mpmath.exp(t - shift) for t in x]
        return [t / mpmath.fsum(e) for t in e]

    return Draw(f, exact, rng.normal(size=int(rng.integers(2, 5))) * 2)


def attention(rng: Rng) -> Draw:
    """Return softmax(Q Kᵀ) V by Q, with one maximum for all rows."""
    K, V = rng.normal(size=(3, 2)) * 3, rng.normal(size=(3, 2))

    def f(q: Any) -> Any:
        s = q.reshape(2, 2) @ K.T
        e = np.exp(s - s.max())
        return ((e / e.sum(axis=1, keepdims=True)) @ V).reshape(-1)

    def exact(q: list[Any]) -> list[Any]:
        result = []
        for i in range(2):
            e = [mpmath.exp(mpmath.fsum(q[2 * i + d] * K[j, d] for d in range(2))) for j in range(3)]
            result += [mpmath.fsum(e[j] * V[j, d] for j in range(3)) / mpmath.fsum(e) for d in range(2)]
        return result

    return Draw(f, exact, rng.normal(size=4) * 2)


def mixture(rng: Rng) -> Draw:
    """Return the responsibilities of Gaussians, at a point that may be far from all."""
    centres = rng.normal(size=(3, 2))

    def f(x: Any) -> Any:
        e = np.exp(-0.5 * ((x - centres) ** 2).sum(1))
        return e / e.sum()

    def exact(x: list[Any]) -> list[Any]:
        e = [mpmath.exp(-sum((x[d] - c[d]) ** 2 for d in range(2)) / 2) for c in centres]
        return [t / mpmath.fsum(e) for t in e]

    return Draw(f, exact, rng.normal(size=2) * rng.choice([1, 4]))


def kernel(rng: Rng) -> Draw:
    """Return Gaussian kernels of a point and some centres, which may underflow towards 0."""
    centres, width = rng.normal(size=(3, 2)), float(rng.uniform(0.2, 2))
    f = lambda x: np.exp(-((x - centres) ** 2).sum(1) / width)  # noqa: E731
    exact = lambda x: [mpmath.exp(-sum((x[d] - c[d]) ** 2 for d in range(2)) / width) for c in centres]  # noqa: E731
    return Draw(f, exact, rng.normal(size=2) * 2)


def cancellation(rng: Rng) -> Draw:
    """Return (1 − cos x)/x², (e^x − 1 − x)/x², or log(1 + x) − x, at points where they cancel."""
    f, exact = [
        (lambda x: (1 - np.cos(x)) / x**2, lambda t: (1 - mpmath.cos(t)) / t**2),
        (lambda x: (np.exp(x) - 1 - x) / x**2, lambda t: (mpmath.exp(t) - 1 - t) / t**2),
        (lambda x: np.log(1 + x) - x, lambda t: mpmath.log(1 + t) - t),
    ][int(rng.integers(3))]
    x = 10 ** rng.uniform(-4, -0.3, size=2)
    return Draw(f, lambda x: [exact(t) for t in x], x)


def inverse(rng: Rng) -> Draw:
    """Return the inverse of a matrix."""
    k = int(rng.integers(2, 4))
    f = lambda A: np.linalg.inv(A.reshape(k, k)).reshape(-1)  # noqa: E731
    return Draw(f, lambda A: _flat(_matrix(A, k) ** -1), rng.normal(size=k * k))


def determinant(rng: Rng) -> Draw:
    """Return the determinant of a matrix."""
    f = lambda A: np.linalg.det(A.reshape(3, 3)).reshape(1)  # noqa: E731
    return Draw(f, lambda A: [mpmath.det(_matrix(A, 3))], rng.normal(size=9))


def power(rng: Rng) -> Draw:
    """Return the cube of a matrix."""

    def f(A: Any) -> Any:
        M = A.reshape(2, 2)
        return (M @ M @ M).reshape(-1)

    return Draw(f, lambda A: _flat(_matrix(A, 2) ** 3), rng.normal(size=4))


def scales(rng: Rng) -> Draw:
    """Return c sin(x), or c log|x|: c and the values from 1e-300 to 1e300."""
    c = 10.0 ** float(rng.choice([-300, -200, -160, -20, 20, 155, 200, 300]))
    f = lambda x: c * np.sin(x)  # noqa: E731
    return Draw(f, lambda x: [c * mpmath.sin(t) for t in x], rng.normal(size=2))


def far_points(rng: Rng) -> Draw:
    """Return log or the reciprocal at points from 1e-140 to 1e140."""
    x = 10.0 ** rng.uniform(-140, 140, size=2)
    if rng.random() < 0.5:
        return Draw(np.log, lambda x: [mpmath.log(t) for t in x], x)
    return Draw(lambda x: 1 / x, lambda x: [1 / t for t in x], x)


def kinks(rng: Rng) -> Draw:
    """Return max(x, 0)² + |x − d| with a kink nearby, not at the point."""
    d = float(10 ** rng.uniform(-7, -1))
    f = lambda x: np.maximum(x, 0) ** 2 + np.abs(x - d)  # noqa: E731
    return Draw(
        f, lambda x: [max(t, 0) ** 2 + abs(t - d) for t in x], rng.normal(size=2) * 0.1, analytic=False
    )


def log_determinant(rng: Rng) -> Draw:
    """Return log |det A|."""
    f = lambda A: np.linalg.slogdet(A.reshape(3, 3))[1].reshape(1)  # noqa: E731
    return Draw(f, lambda A: [mpmath.log(abs(mpmath.det(_matrix(A, 3))))], rng.normal(size=9), analytic=False)


def solution(rng: Rng) -> Draw:
    """Return A⁻¹ b by the entries of A and b together."""
    f = lambda x: np.linalg.solve(x[:4].reshape(2, 2), x[4:])  # noqa: E731

    def exact(x: list[Any]) -> list[Any]:
        return list(_matrix(x[:4], 2) ** -1 * mpmath.matrix([*x[4:]]))

    return Draw(f, exact, rng.normal(size=6))


def quadratic(rng: Rng) -> Draw:
    """Return Xᵀ A X by X."""
    A = rng.normal(size=(2, 2))
    f = lambda X: (X.reshape(2, 2).T @ A @ X.reshape(2, 2)).reshape(-1)  # noqa: E731
    exact = lambda X: _flat(_matrix(X, 2).T * mpmath.matrix(A.tolist()) * _matrix(X, 2))  # noqa: E731
    return Draw(f, exact, rng.normal(size=4) * 10 ** rng.uniform(-3, 3))


def exponential(rng: Rng) -> Draw:
    """Return the exponential of a matrix by 12 terms of its series."""

    def f(A: Any) -> Any:
        M = A.reshape(2, 2)
        term = total = np.eye(2)
        for k in range(1, 13):
            term = term @ M / k
            total = total + term
        return total.reshape(-1)

    def exact(A: list[Any]) -> list[Any]:
        M, total = _matrix(A, 2), mpmath.eye(2)
        for k in range(1, 13):
            total += M**k / mpmath.factorial(k)
        return _flat(total)

    return Draw(f, exact, rng.normal(size=4) * rng.choice([0.1, 1, 3]))


def cholesky(rng: Rng) -> Draw:
    """Return the lower triangle L Lᵀ = B Bᵀ + c I by B."""
    c = float(10 ** rng.uniform(-3, 1))
    lower = np.tril_indices(3)
    f = lambda B: np.linalg.cholesky(B.reshape(3, 3) @ B.reshape(3, 3).T + c * np.eye(3))[lower]  # noqa: E731

    def exact(B: list[Any]) -> list[Any]:
        L = mpmath.cholesky(_matrix(B, 3) * _matrix(B, 3).T + c * mpmath.eye(3))
        return [L[int(i), int(j)] for i, j in zip(*lower, strict=True)]

    return Draw(f, exact, rng.normal(size=9), analytic=False)


def trace(rng: Rng) -> Draw:
    """Return the traces of the first powers of a matrix."""

    def f(A: Any) -> Any:
        M = A.reshape(3, 3)
        return np.stack([np.trace(M), np.trace(M @ M), np.trace(M @ M @ M)])

    def exact(A: list[Any]) -> list[Any]:
        powers = [_matrix(A, 3) ** k for k in (1, 2, 3)]
        return [mpmath.fsum(P[i, i] for i in range(3)) for P in powers]

    return Draw(f, exact, rng.normal(size=9))


def batch(rng: Rng) -> Draw:
    """Return a function of each of three points, by all their entries: a softmax, a normalization, or a layer."""
    W = rng.normal(size=(2, 2))

    def exp_row(x: list[Any]) -> list[Any]:
        e = [mpmath.exp(t) for t in x]
        return [t / mpmath.fsum(e) for t in e]

    def norm_row(x: list[Any]) -> list[Any]:
        return [t / mpmath.sqrt(mpmath.fsum(u * u for u in x)) for t in x]

    def layer_row(x: list[Any]) -> list[Any]:
        return [mpmath.tanh(mpmath.fsum(w * t for w, t in zip(row, x, strict=True))) for row in W]

    f, row = [
        (lambda X: np.exp(X) / np.exp(X).sum(axis=1, keepdims=True), exp_row),
        (lambda X: X / np.sqrt((X**2).sum(axis=1, keepdims=True)), norm_row),
        (lambda X: np.tanh(X @ W.T), layer_row),
    ][int(rng.integers(3))]
    return Draw(
        lambda x: f(x.reshape(3, 2)).reshape(-1),
        lambda x: [t for k in range(3) for t in row(x[2 * k : 2 * k + 2])],
        rng.normal(size=6) * rng.choice([0.1, 1, 4]),
    )


def single(rng: Rng) -> Draw:
    """Return tanh(W x), the softmax, or the norm, in float32."""
    W = rng.normal(size=(3, 2)).astype("f4")

    def layer(x: list[Any]) -> list[Any]:
        return [mpmath.tanh(mpmath.fsum(float(w) * t for w, t in zip(row, x, strict=True))) for row in W]

    def softmax_of(x: list[Any]) -> list[Any]:
        e = [mpmath.exp(t) for t in x]
        return [t / mpmath.fsum(e) for t in e]

    f, exact = [
        (lambda x: np.tanh(W @ x), layer),
        (lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum(), softmax_of),
        (lambda x: np.sqrt(x @ x).reshape(1), lambda x: [mpmath.sqrt(mpmath.fsum(t * t for t in x))]),
    ][int(rng.integers(3))]
    return Draw(f, exact, rng.normal(size=2).astype("f4"))


FAMILIES: dict[str, Callable[[Rng], Draw]] = {
    "softmax, any shift": softmax,
    "attention": attention,
    "Gaussian mixture": mixture,
    "Gaussian kernel": kernel,
    "near-cancellation": cancellation,
    "inverse": inverse,
    "determinant": determinant,
    "matrix power": power,
    "log determinant": log_determinant,
    "solution": solution,
    "quadratic": quadratic,
    "exponential": exponential,
    "Cholesky": cholesky,
    "traces of powers": trace,
    "batches": batch,
    "scales": scales,
    "far points": far_points,
    "kinks nearby": kinks,
    "float32": single,
    **MORE,
}


def truth(draw: Draw, x: Any) -> Any:
    """Return the Jacobian at x in mpmath, as nested lists: central differences with 100 digits to spare."""
    with mpmath.workdps(DIGITS):
        point = [mpmath.mpf(float(t)) for t in x]
        columns = []
        for j, t in enumerate(point):
            h = STEP * abs(t) if t else STEP
            up, down = (draw.exact([*point[:j], t + s * h, *point[j + 1 :]]) for s in (1, -1))
            columns.append([(a - b) / (2 * h) for a, b in zip(up, down, strict=True)])
        return [[float(column[i]) for column in columns] for i in range(len(columns[0]))]


def loss(draw: Draw, J: Any) -> Any:
    """Return the largest deviation from the truth, entry by entry, of what float64 computes at inputs an ulp apart.

    The derivative is the complex step of the NumPy code, where that is analytic; where it isn't, the truth at those
    inputs stands for it.
    """
    lost = np.zeros(J.shape)
    for k in range(SHIFTS):
        signs = np.where(np.arange(draw.x.size) + k & 1, 1, -1) * (1 + k // 8)
        x = draw.x + signs * np.spacing(np.abs(draw.x))
        exact = np.array(truth(draw, x))
        found = exact
        if draw.analytic and draw.x.dtype == np.float64:
            units = np.eye(draw.x.size) * 1j
            steps = COMPLEX_STEP * np.abs(x)
            columns = [np.imag(draw.f(x + h * unit)) / h for h, unit in zip(steps, units, strict=True)]
            found = np.stack(columns, axis=1)
        deviation = np.abs(found - exact)
        lost = np.fmax(lost, np.where(np.isfinite(deviation), deviation, 0))
    return lost + float(np.finfo(draw.x.dtype).eps) * np.abs(J)


class Trial(NamedTuple):
    """The family, the verdict on the right Jacobian, the kind of error, and the verdict on it, "" if invisible."""

    family: str
    right: str
    planted: str
    wrong: str


def trial(number: int, seed: int) -> Trial:
    """Return one trial; its family goes round."""
    rng = np.random.default_rng([seed, number])
    family = list(FAMILIES)[number % len(FAMILIES)]
    with np.errstate(all="ignore"):
        draw = FAMILIES[family](rng)
        exact = np.array(truth(draw, draw.x))
        J = exact.astype(draw.x.dtype)
        right = check(draw.f, draw.x, J).verdict
        size = float(10 ** rng.uniform(-6, -3))
        W, kind = J.copy(), "sign" if rng.random() < 0.5 else f"{size:.0e}"
        factor = -1.0 if kind == "sign" else 1 + size
        if rng.random() < 0.5:
            W *= factor
            kind += " in all"
        else:
            i, j = (int(rng.integers(n)) for n in J.shape)
            W[i, j] *= factor
            kind += " in one"
        off = np.abs(W.astype(float) - exact)
        rows = np.abs(exact).max(axis=1, keepdims=True)
        visible = (off > max(1e-6, 2e3 * float(np.finfo(J.dtype).eps)) * rows) & (
            off > 10 * loss(draw, exact)
        )
        wrong = check(draw.f, draw.x, W).verdict if visible.any() else ""
    return Trial(family, right, kind, wrong)


def main(arguments: list[str] | None = None) -> int:
    """Run the trials, print the table by family, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=int, default=0, help="the number of the first trial")
    options = parser.parse_args(arguments)
    counts: Counter[tuple[str, str, str]] = Counter()
    for number in range(options.start, options.start + options.trials):
        found = trial(number, options.seed)
        counts[found.family, "right", found.right] += 1
        counts[found.family, "wrong", found.wrong] += 1
        if found.right != "right" or found.wrong not in ("wrong", ""):
            print(f"trial {number}: {found}", flush=True)
        if sys.stderr.isatty():
            print(f"\r{number + 1 - options.start} of {options.trials}", end="", file=sys.stderr, flush=True)
    print(
        f"\n{'family':<20}{'right: right':>14}{'wrong':>7}{'undec.':>8}{'wrong: wrong':>14}{'right':>7}{'undec.':>8}"
    )
    for family in FAMILIES:
        row = [counts[family, k, v] for k, v in COLUMNS]
        print("{:<20}{:>14}{:>7}{:>8}{:>14}{:>7}{:>8}".format(family, *row))
    total = {key: sum(counts[family, *key] for family in FAMILIES) for key in COLUMNS}
    undecided = total["right", "undecided"] + total["wrong", "undecided"]
    asked = sum(total.values())
    print(
        f"right ones called wrong: {total['right', 'wrong']}; visible errors called right: {total['wrong', 'right']}; "
        f"undecided: {undecided} of {asked}"
    )
    failed = total["right", "wrong"] or total["wrong", "right"] or undecided > UNDECIDED * asked
    return 1 if failed else 0


COLUMNS = [
    (kind, verdict)
    for kind in ("right", "wrong")
    for verdict in (kind, "wrong" if kind == "right" else "right", "undecided")
]

if __name__ == "__main__":
    raise SystemExit(main())
