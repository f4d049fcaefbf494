"""More functions for `truth_trials.py`: masks, running products, special functions, poles, sizes, code in place."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath
import numpy as np
import scipy.special

Rng = np.random.Generator


class Draw(NamedTuple):
    """A function as NumPy code, the same operations for mpmath, and a point."""

    f: Callable[[Any], Any]
    exact: Callable[[list[Any]], list[Any]]
    x: Any
    analytic: bool = True


def masked(rng: Rng) -> Draw:
    """Return a softmax, or its log-sum-exp, of the entries that a mask leaves; the others are −∞."""
    n = int(rng.integers(3, 6))
    mask = rng.random(n) < 0.6
    mask[0] = True
    whole = rng.random() < 0.5

    def f(x: Any) -> Any:
        z = np.where(mask, x, -np.inf)
        e = np.exp(z - z.max())
        return e / e.sum() if whole else np.array([np.log(e.sum()) + z.max()])

    def exact(x: list[Any]) -> list[Any]:
        e = [mpmath.exp(t) if kept else mpmath.mpf(0) for t, kept in zip(x, mask, strict=True)]
        total = mpmath.fsum(e)
        return [t / total for t in e] if whole else [mpmath.log(total)]

    return Draw(f, exact, rng.normal(size=n) * rng.choice([1, 10]), analytic=False)


def running_products(rng: Rng) -> Draw:
    """Return the running products of x or of 1 − x², where a factor may be 0."""
    x = rng.normal(size=int(rng.integers(2, 6))) * 10 ** rng.uniform(-3, 1)
    if rng.random() < 0.3:
        x[int(rng.integers(x.size))] = 0.0
    plain = rng.random() < 0.5

    def exact(x: list[Any]) -> list[Any]:
        factors = x if plain else [1 - t * t for t in x]
        return [mpmath.fprod(factors[: k + 1]) for k in range(len(x))]

    return Draw(lambda x: np.cumprod(x if plain else 1 - x**2), exact, x)


SPECIAL: list[tuple[Callable[[Any], Any], Callable[[Any], Any], float, float]] = [
    (scipy.special.erf, mpmath.erf, -4, 4),
    (scipy.special.erfc, mpmath.erfc, -3, 12),
    (scipy.special.gamma, mpmath.gamma, 0.1, 20),
    (scipy.special.gammaln, mpmath.loggamma, 0.1, 50),
    (scipy.special.digamma, mpmath.digamma, 0.1, 30),
    (scipy.special.j0, lambda t: mpmath.besselj(0, t), 0.1, 20),
    (lambda x: scipy.special.jv(1.5, x), lambda t: mpmath.besselj(1.5, t), 0.1, 20),
    (lambda x: scipy.special.xlogy(x, x), lambda t: t * mpmath.log(t), 1e-3, 5),
    (np.log1p, mpmath.log1p, -0.99, 5),
]


def special(rng: Rng) -> Draw:
    """Return a special function of each entry."""
    f, exact, low, high = SPECIAL[int(rng.integers(len(SPECIAL)))]
    return Draw(f, lambda x: [exact(t) for t in x], rng.uniform(low, high, size=2), analytic=False)


def poles(rng: Rng) -> Draw:
    """Return a ratio of polynomials near its pole, or a function beside a pole that it can be defined at."""
    x = 10 ** rng.uniform(-7, -1, size=2) * rng.choice([-1, 1], size=2)
    pole, order = float(rng.normal()), int(rng.integers(1, 4))
    f, exact, at = [
        (lambda x: (x**2 + 1) / (x - pole) ** order, lambda t: (t * t + 1) / (t - pole) ** order, pole + x),
        (lambda x: np.log1p(x) / x, lambda t: mpmath.log(1 + t) / t, x),
        (lambda x: np.expm1(x) / x, lambda t: (mpmath.exp(t) - 1) / t, x),
        (lambda x: np.sin(x) / x, lambda t: mpmath.sin(t) / t, x),
    ][int(rng.integers(4))]
    return Draw(f, lambda x: [exact(t) for t in x], at)


def sizes(rng: Rng) -> Draw:
    """Return outputs of very different sizes."""
    a = [float(10 ** rng.uniform(-200, 200)) for _ in range(3)]

    def f(x: Any) -> Any:
        return np.stack([a[0] * np.sin(x[0]), a[1] * x[1] * x[2], a[2] * np.exp(x[2]), x[0] * x[1]])

    def exact(x: list[Any]) -> list[Any]:
        return [a[0] * mpmath.sin(x[0]), a[1] * x[1] * x[2], a[2] * mpmath.exp(x[2]), x[0] * x[1]]

    return Draw(f, exact, rng.normal(size=3))


def normalised(rng: Rng) -> Draw:
    """Return x less its mean, by its deviation; the entries may be far from 0."""
    x = rng.normal(size=4) * 10 ** float(rng.choice([-8, 0, 3]))
    x += float(rng.choice([0, 0, 100])) * np.abs(x).max()

    def exact(x: list[Any]) -> list[Any]:
        mean = mpmath.fsum(x) / len(x)
        return [(t - mean) / mpmath.sqrt(mpmath.fsum((u - mean) ** 2 for u in x) / len(x)) for t in x]

    return Draw(lambda x: (x - x.mean()) / x.std(), exact, x, analytic=False)


def in_place(rng: Rng) -> Draw:
    """Return what code makes that writes into arrays, or takes numbers out of them; not all of it can be traced."""

    def recurrence(x: Any) -> Any:
        y = x.copy()
        for i in range(1, len(y)):
            y[i] = y[i] * np.sin(y[i - 1])
        return y

    def exact_recurrence(x: list[Any]) -> list[Any]:
        y = list(x)
        for i in range(1, len(y)):
            y[i] = y[i] * mpmath.sin(y[i - 1])
        return y

    def numbers(x: Any) -> Any:
        return np.array([math.sin(float(t)) * math.exp(float(x[0])) for t in x])

    def scattered(x: Any) -> Any:
        out = np.zeros(4)
        np.add.at(out, [0, 0, 1, 2], x**2)
        return out

    f, exact, analytic = [
        (recurrence, exact_recurrence, True),
        (numbers, lambda x: [mpmath.sin(t) * mpmath.exp(x[0]) for t in x], False),
        (scattered, lambda x: [x[0] ** 2 + x[1] ** 2, x[2] ** 2, x[3] ** 2, mpmath.mpf(0)], False),
    ][int(rng.integers(3))]
    return Draw(f, exact, rng.normal(size=4), analytic)


def kept_fractions(rng: Rng) -> Draw:
    """Return products with masks, whole parts, and medians: integers and truth values that are made floats."""
    x = rng.normal(size=3) * 3
    f, exact = [
        (lambda x: (x > 0).astype(float) * x, lambda x: [max(t, 0) for t in x]),
        (lambda x: x.astype(int) * x, lambda x: [int(t) * t for t in x]),
        (lambda x: np.floor(x) + x**2, lambda x: [mpmath.floor(t) + t * t for t in x]),
        (lambda x: np.sort(x) ** 2, lambda x: [t * t for t in sorted(x)]),
        (lambda x: np.array([np.median(x), x.max()]), lambda x: [sorted(x)[1], max(x)]),
    ][int(rng.integers(5))]
    return Draw(f, exact, x, analytic=False)


MORE: dict[str, Callable[[Rng], Draw]] = {
    "masked softmax": masked,
    "running products": running_products,
    "special functions": special,
    "poles": poles,
    "sizes": sizes,
    "normalised": normalised,
    "code in place": in_place,
    "whole numbers": kept_fractions,
}
