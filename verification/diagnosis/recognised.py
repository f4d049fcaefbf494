"""Softmax, log Σ exp and normalisations however the code spells them: known by their values, with what is done wrong.

Each is a map from one vertex to another whose Jacobian has a short formula in the value, and the slips are slips in
that formula: a sum over another axis, a factor that is left out, x for x̂.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from jacobians.function import Function
from jacobians.graph.recorder import Frame
from jacobians.numerics.arrays import Array
from verification.causes import Slip
from verification.diagnosis.mutations import Variant, value_name
from verification.diagnosis.tape import Pull, Tape

LARGEST = 2**16
"""The entries of a value that is looked at."""
FARTHEST = 24
"""The steps between the two vertices."""

Slips = Iterator[tuple[float, Slip, str, Callable[[Array], Array]]]
"""Cost, name, sentence, and u ↦ u J for u of shape (k, …)."""


class Found(NamedTuple):
    """A map that is known: its vertices, its kind, the axes that it runs over, and what to call it."""

    source: int
    target: int
    kind: str
    axes: tuple[int, ...]
    name: str


def softmax(x: Array, axes: tuple[int, ...]) -> Array:
    """Return exp(x) / Σ exp(x) over some axes."""
    e = np.exp(x - x.max(axis=axes, keepdims=True))
    return np.asarray(e / e.sum(axis=axes, keepdims=True))


def recognised(tape: Tape) -> list[Found]:
    """Return the maps of a tape that are known, each from the first vertex that it is one of."""
    found: list[Found] = []
    for target, call in tape.calls.items():
        y = np.asarray(tape.values[target], dtype=float)
        if target not in tape.active or isinstance(call.function, Function) or not 1 < y.size <= LARGEST:
            continue
        kinds = KINDS.get(getattr(call.function, "__name__", ""), ())
        for source in _alone_before(tape, target) if kinds else ():
            x = np.asarray(tape.values[source], dtype=float)
            if not 1 <= x.ndim or x.size > LARGEST or x.size < y.size:
                continue
            known = next(((kind, axes) for kind in kinds if (axes := TESTS[kind](x, y)) is not None), None)
            if known is not None:
                found.append(Found(source, target, *known, _name(known[0], call.frames)))
                break
    return found


def _alone_before(tape: Tape, target: int) -> list[int]:
    """Return the vertices without which a target would not depend on what is differentiated by, the first one first."""
    seen, waiting, alone = {target}, [target], []
    while waiting and len(seen) <= FARTHEST:
        here = max(waiting)
        waiting.remove(here)
        if not waiting and here != target:
            alone.append(here)
        for edge in tape.edges[here]:
            if edge.source in tape.active and edge.source not in seen:
                seen.add(edge.source)
                waiting.append(edge.source)
    return alone[::-1]


def _name(kind: str, frames: tuple[Frame, ...]) -> str:
    if len(frames) > 1 and not frames[0].function.startswith("<"):
        return f"{frames[0].function}()"
    return {"normalisation": "the normalisation", "logsumexp": "log Σ exp"}.get(kind, kind)


def _sets(ndim: int) -> Iterator[tuple[int, ...]]:
    for count in range(1, ndim + 1):
        yield from itertools.combinations(range(ndim), count)


def _close(one: Array, two: Array) -> bool:
    return bool(np.allclose(one, two, rtol=1e-9, atol=1e-12))


def _is_softmax(x: Array, y: Array) -> tuple[int, ...] | None:
    if x.shape != y.shape or (y <= 0).any() or (y > 1).any():
        return None
    return next((axes for axes in _sets(x.ndim) if x.shape != () and _close(softmax(x, axes), y)), None)


def _is_log_softmax(x: Array, y: Array) -> tuple[int, ...] | None:
    return None if (y > 0).any() else _is_softmax(x, np.exp(y)) if x.shape == y.shape else None


def _is_logsumexp(x: Array, y: Array) -> tuple[int, ...] | None:
    if x.size == y.size:
        return None
    for axes in _sets(x.ndim):
        top = x.max(axis=axes, keepdims=True)
        value = top + np.log(np.exp(x - top).sum(axis=axes, keepdims=True))
        if value.size == y.size and _close(value.reshape(y.shape), y):
            return axes
    return None


def _is_normalisation(x: Array, y: Array) -> tuple[int, ...] | None:
    if x.shape != y.shape:
        return None
    for axes in _sets(x.ndim):
        square = (y**2).mean(axis=axes, keepdims=True)
        centred = x - x.mean(axis=axes, keepdims=True)
        if square.size < x.size / 2 and (square > 0.25).all() and (square < 1 + 1e-9).all():
            scale = np.sqrt((centred**2).mean(axis=axes, keepdims=True) / square)
            if np.allclose(centred, scale * y, rtol=1e-7, atol=1e-9 * float(np.abs(centred).max())):
                return axes
    return None


TESTS: dict[str, Callable[[Array, Array], tuple[int, ...] | None]] = {
    "softmax": _is_softmax,
    "log-softmax": _is_log_softmax,
    "logsumexp": _is_logsumexp,
    "normalisation": _is_normalisation,
}
KINDS = {
    "divide": ("softmax", "normalisation"), "multiply": ("softmax", "normalisation"), "exp": ("softmax",),
    "softmax": ("softmax",), "log_softmax": ("log-softmax",), "log": ("log-softmax", "logsumexp"),
    "subtract": ("log-softmax",), "add": ("logsumexp",), "logsumexp": ("logsumexp",), "reshape": ("logsumexp",),
}  # fmt: skip
"""What may come out of the operation that a map ends with."""


def variants_of(tape: Tape, one: Found) -> Iterator[Variant]:
    """Yield what stands for the Jacobian of a known map by mistake."""
    x, y = (np.asarray(tape.values[k], dtype=float) for k in (one.source, one.target))
    cut = tuple((edge, None) for edge in tape.edges[one.target])
    for cost, slip, said, pull in SLIPS[one.kind](x, y, one.axes):
        sentence = said.format(one.name)
        yield Variant(cost, slip, sentence, cut, ((one.target, one.source, _flat(pull, y.shape)),))


def _flat(pull: Callable[[Array], Array], shape: tuple[int, ...]) -> Pull:
    return lambda rows: np.asarray(pull(rows.reshape(-1, *shape)).reshape(len(rows), -1))


def _over(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axis + 1 for axis in axes)  # behind the rows


def _said(axes: tuple[int, ...], ndim: int) -> str:
    if len(axes) == ndim > 1:
        return "all entries"
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"


def _of_softmax(x: Array, p: Array, axes: tuple[int, ...]) -> Slips:
    """Yield slips in u ↦ p ∘ (u − Σ p ∘ u)."""

    def total(values: Array, over: tuple[int, ...] = axes) -> Array:
        return np.asarray(values.sum(axis=_over(over), keepdims=True))

    begun = "in the derivative of {} "
    for other in _sets(x.ndim):
        if other != axes:
            said = f"{begun}the sum runs over {_said(other, x.ndim)}, expected {_said(axes, x.ndim)}"
            yield 1.1, Slip.WRONG_AXIS, said, lambda u, o=other: p * (u - total(p * u, o))
    count = np.prod([x.shape[axis] for axis in axes])
    yield 0.95, Slip.ELEMENTWISE, "{} is taken entry by entry: p (1 − p)", lambda u: p * (1 - p) * u
    yield 1.05, Slip.MISSING_PATH, begun + "the sum Σ p u is left out: p u", lambda u: p * u
    yield 1.1, Slip.MISSING_DERIVATIVE, "the derivative of {} is left out", lambda u: u
    yield 1.1, Slip.MISSING_FACTOR, begun + "the factor p is left out: u − Σ p u", lambda u: u - total(p * u)
    yield 1.1, Slip.MISSING_FACTOR, begun + "the p in the sum is left out: p (u − Σ u)", lambda u: p * (u - total(u))
    yield 1.2, Slip.MISSING_FACTOR, begun + "the sum is not multiplied by p: p u − Σ p u", lambda u: p * u - total(p * u)
    yield 1.2, Slip.SIGN, begun + "the sign of the sum is wrong: p (u + Σ p u)", lambda u: p * (u + total(p * u))
    yield 1.2, Slip.FACTOR, begun + "the mean of p u stands for its sum", lambda u: p * (u - total(p * u) / count)
    said = "{} is differentiated, and p (1 − p) is a factor once more"
    yield 1.3, Slip.APPLIED_TWICE, said, lambda u: p * (1 - p) * p * (u - total(p * u))


def _of_log_softmax(x: Array, y: Array, axes: tuple[int, ...]) -> Slips:
    """Yield slips in u ↦ u − p ∘ Σ u."""
    p = np.exp(y)

    def total(values: Array, over: tuple[int, ...] = axes) -> Array:
        return np.asarray(values.sum(axis=_over(over), keepdims=True))

    begun = "in the derivative of {} "
    for other in _sets(x.ndim):
        if other != axes:
            said = f"{begun}the sum runs over {_said(other, x.ndim)}, expected {_said(axes, x.ndim)}"
            yield 1.1, Slip.WRONG_AXIS, said, lambda u, o=other: u - p * total(u, o)
    yield 0.95, Slip.ELEMENTWISE, "{} is taken entry by entry: 1 − p", lambda u: (1 - p) * u
    yield 1.05, Slip.MISSING_PATH, begun + "the term p Σ u is left out", lambda u: u
    yield 1.1, Slip.MISSING_FACTOR, begun + "the factor p of the sum is left out", lambda u: u - total(u)
    yield 1.2, Slip.MISSING_DERIVATIVE, "the derivative of the logarithm is left out in {}", lambda u: (
        p * (u - total(p * u))
    )
    yield 1.3, Slip.SIGN, begun + "the sign of the sum is wrong", lambda u: u + p * total(u)


def _of_logsumexp(x: Array, y: Array, axes: tuple[int, ...]) -> Slips:
    """Yield slips in u ↦ p ∘ u."""
    kept = tuple(1 if axis in axes else n for axis, n in enumerate(x.shape))
    count = x.size // y.size
    top = x == x.max(axis=axes, keepdims=True)

    def weighted(weights: Any) -> Callable[[Array], Array]:
        return lambda u: np.asarray(u.reshape(-1, *kept) * (weights + np.zeros(x.shape)))

    begun = "in the derivative of {} "
    yield 1.0, Slip.MISSING_FACTOR, begun + "the weights softmax(x) are left out", weighted(1.0)
    yield 1.2, Slip.MASK, begun + "the largest entry gets all", weighted(top)
    yield 1.3, Slip.WRONG_VALUE, begun + f"all {count} entries get the same", weighted(1 / count)
    for other in _sets(x.ndim):
        if other != axes:
            said = f"{begun}the softmax runs over {_said(other, x.ndim)}, expected {_said(axes, x.ndim)}"
            yield 1.2, Slip.WRONG_AXIS, said, weighted(softmax(x, other))


def _of_normalisation(x: Array, y: Array, axes: tuple[int, ...]) -> Slips:
    """Yield slips in u ↦ (u − mean u − x̂ ∘ mean(x̂ ∘ u)) / s, where x̂ = (x − mean x) / s."""
    centred = x - x.mean(axis=axes, keepdims=True)
    s = np.sqrt((centred**2).mean(axis=axes, keepdims=True) / (y**2).mean(axis=axes, keepdims=True))
    count = int(np.prod([x.shape[axis] for axis in axes]))

    def mean(values: Array, over: tuple[int, ...] = axes) -> Array:
        return np.asarray(values.mean(axis=_over(over), keepdims=True))

    def formula(outer: Array = y, inner: Array = y, first: Any = 1.0, second: Any = 1.0, scale: Array = s) -> Any:
        return lambda u: (u - first * mean(u) - second * outer * mean(u * inner)) / scale

    begun, own = "in the derivative of {} ", _said(axes, x.ndim)
    for other in _sets(x.ndim):
        if other != axes:
            which = f"over {_said(other, x.ndim)}, expected {own}"
            yield 1.0, Slip.WRONG_AXIS, f"{begun}both sums run {which}", lambda u, o=other: (
                (u - mean(u, o) - y * mean(u * y, o)) / s
            )
            yield 1.1, Slip.WRONG_AXIS, f"{begun}the sum of u x̂ runs {which}", lambda u, o=other: (
                (u - mean(u) - y * mean(u * y, o)) / s
            )
            yield 1.1, Slip.WRONG_AXIS, f"{begun}the sum of u runs {which}", lambda u, o=other: (
                (u - mean(u, o) - y * mean(u * y)) / s
            )
            both = tuple(sorted({*axes, *other}))
            turned = np.sqrt(x.var(axis=other, keepdims=True))
            if both != axes and (turned > 0).all():
                xh = (x - x.mean(axis=other, keepdims=True)) / turned
                said = f"{begun}mean, variance and sums run {which}"
                yield 1.05, Slip.WRONG_AXIS, said, lambda u, o=other, xh=xh, t=turned: (
                    (u - mean(u, o) - xh * mean(u * xh, o)) / t
                )
    yield 1.0, Slip.FACTOR, begun + f"the sums are not divided by {count}", formula(first=count, second=count)
    for n in sorted({x.shape[axis] for axis in range(x.ndim)} | {x.size // count, count - 1}):
        if n not in (0, 1, count):
            said = f"the sums are divided by {n}, expected {count}"
            yield 1.15, Slip.FACTOR, begun + said, formula(first=count / n, second=count / n)
            said = f"N u has {n} for N, expected {count}"
            yield 1.2, Slip.FACTOR, begun + said, lambda u, n=n: (
                (u * n / count - mean(u) - y * mean(u * y)) / s
            )
            yield 1.2, Slip.FACTOR, f"{begun}N is {n} throughout, expected {count}", lambda u, n=n: (
                (u - count / n * mean(u) - count / n * y * mean(u * y)) / s
            )
            yield 1.2, Slip.FACTOR, f"{begun}N u has {n} for N, and all is divided by {n}, expected {count}", lambda u, n=n: (
                (u * n - count * mean(u) - count * y * mean(u * y)) / (n * s)
            )
    yield 1.0, Slip.MISSING_PATH, begun + "the term of the mean is left out", formula(first=0.0)
    yield 1.0, Slip.MISSING_PATH, begun + "the term of the variance is left out", formula(second=0.0)
    yield 1.05, Slip.MISSING_PATH, "{} is taken with its statistics held constant", formula(first=0.0, second=0.0)
    for name, value in (("x", x), ("x − mean", centred)):
        yield 1.1, Slip.WRONG_VALUE, f"{begun}{name} stands for x̂", formula(value, value)
        yield 1.15, Slip.WRONG_VALUE, f"{begun}{name} stands for x̂ before the sum", formula(value)
        yield 1.15, Slip.WRONG_VALUE, f"{begun}{name} stands for x̂ in the sum", formula(y, value)
    yield 1.2, Slip.WRONG_VALUE, begun + "the two sums are exchanged", lambda u: (u - mean(u * y) - y * mean(u)) / s
    yield 1.15, Slip.MISSING_FACTOR, begun + "x̂ before the sum is left out", formula(np.ones_like(y))
    yield 1.2, Slip.SIGN, begun + "the sign of the term of the variance is wrong", formula(second=-1.0)
    yield 1.2, Slip.SIGN, begun + "the sign of the term of the mean is wrong", formula(first=-1.0)
    yield 1.2, Slip.FACTOR, begun + "the term of the variance is there twice", formula(second=2.0)
    yield 1.2, Slip.FACTOR, begun + "the term of the variance is halved", formula(second=0.5)
    yield 1.25, Slip.FACTOR, begun + "the power of the variance is wrong", formula(second=s)
    yield 1.25, Slip.FACTOR, begun + "the power of the variance is wrong", formula(second=1 / s)
    yield 1.25, Slip.FACTOR, begun + "the power of the variance is wrong", formula(second=s**2)
    yield 1.1, Slip.FACTOR, begun + "the variance stands for the standard deviation", formula(scale=s**2)
    yield 1.1, Slip.MISSING_FACTOR, begun + "the division by the standard deviation is left out", formula(
        scale=np.ones_like(s)
    )
    yield 1.3, Slip.FACTOR, begun + "the standard deviation is a factor, expected a divisor", formula(scale=1 / s)


SLIPS: dict[str, Callable[[Array, Array, tuple[int, ...]], Slips]] = {
    "softmax": _of_softmax,
    "log-softmax": _of_log_softmax,
    "logsumexp": _of_logsumexp,
    "normalisation": _of_normalisation,
}


# --- the gradient of a cross entropy -------------------------------------------------------------------------


class CrossEntropy(NamedTuple):
    """The gradient w (p − t) by what goes into a softmax."""

    z: Array
    weight: Array
    p: Array
    t: Array


def cross_entropies(tape: Tape, base: dict[int, Array]) -> Iterator[tuple[int, CrossEntropy]]:
    """Yield the vertices whose gradient is w (p − t) for the targets t that the code has."""
    seen = set()
    for one in recognised(tape):
        if one.kind == "normalisation" or one.source in seen or one.source not in base:
            continue
        seen.add(one.source)
        z = np.asarray(tape.values[one.source], dtype=float)
        g, p = base[one.source].reshape(z.shape), softmax(z, one.axes)
        found = _one_hot(g, p, one.axes) or _given(tape, g, p, one.axes)
        if found is not None:
            yield one.source, CrossEntropy(z, found[0], p, found[1])


def _one_hot(g: Array, p: Array, axes: tuple[int, ...]) -> tuple[Array, Array] | None:
    if np.prod([p.shape[axis] for axis in axes]) < 3:
        return None
    weight = np.median(g / p, axis=axes, keepdims=True)
    if (weight == 0).any():
        return None
    t = p - g / weight
    hot = t > 0.5
    if (hot.sum(axis=axes) == 1).all() and np.allclose(t, hot, rtol=0, atol=1e-7):
        return weight, 1.0 * hot
    return None


def _given(tape: Tape, g: Array, p: Array, axes: tuple[int, ...]) -> tuple[Array, Array] | None:
    arrays = [tape.values[k] for k in range(len(tape.values)) if k not in tape.active]
    arrays += [one for call in tape.calls.values() for one in call.args if isinstance(one, np.ndarray)]
    for t in arrays:
        if np.shape(t) == p.shape and np.allclose(np.sum(t, axis=axes), 1, rtol=1e-9):
            off = p - t
            weight = (g * off).sum(axis=axes, keepdims=True) / (off**2).sum(axis=axes, keepdims=True)
            if np.allclose(g, weight * off, rtol=1e-7, atol=1e-10 * float(np.abs(g).max())):
                return weight, np.asarray(t, dtype=float)
    return None


def wrong_gradients(tape: Tape, base: dict[int, Array]) -> Iterator[tuple[float, Slip, str, int, Array]]:
    """Yield (cost, slip, sentence, vertex, its gradient) for slips in w (p − t)."""
    for vertex, (z, w, p, t) in cross_entropies(tape, base):
        name = value_name(tape, vertex)
        columns = 1.0 * (t > 0.5).any(axis=0) + np.zeros_like(t)
        for cost, slip, said, wrong in (
            (0.85, Slip.MISSING_CONSTANT, "the target is not subtracted: p stands for p − y", p),
            (1.0, Slip.MISSING_PATH, "the softmax is left out: −y stands for p − y", -t),
            (0.9, Slip.ELEMENTWISE, "the softmax is taken entry by entry: −y (1 − p) stands for p − y", -t * (1 - p)),
            (1.0, Slip.WRONG_VALUE, "the scores stand for their softmax: z − y for p − y", z - t),
            (1.2, Slip.SIGN, "the target is added: p + y stands for p − y", p + t),
            (1.1, Slip.APPLIED_TWICE, "p (1 − p) is a factor of p − y too much", (p - t) * p * (1 - p)),
            (1.1, Slip.APPLIED_TWICE, "the Jacobian of softmax is a factor of p − y too much",
             p * ((p - t) - (p * (p - t)).sum(axis=-1, keepdims=True))),
            (1.2, Slip.MISSING_DERIVATIVE, "the derivative of the softmax is left out: −y/p stands for p − y", -t / p),
            (1.1, Slip.PLACE, "1 is subtracted in the columns of all labels, p[:, y], expected one entry a row", p - columns),
            (1.2, Slip.WRONG_VALUE, "1 is subtracted everywhere", p - 1),
            (1.2, Slip.MISSING_PATH, "only the entry of the label is there", t * (p - 1)),
        ):  # fmt: skip
            yield cost, slip, f"{said}, at {name}", vertex, w * wrong
