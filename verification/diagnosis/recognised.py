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
from jacobians.numerics.arrays import Array
from verification.causes import Slip
from verification.diagnosis.lengths import slips_of_lengths, weight_of_squares
from verification.diagnosis.mutations import Variant
from verification.diagnosis.tape import Pull, Tape

LARGEST = 2**16
"""The entries of a value that is looked at."""
MOST_FACTORS = 6
FARTHEST = 24
"""The steps between the two vertices."""

Map = Callable[[Array], Array]
Slips = Iterator[tuple[float, Slip, str, Map]]
"""Cost, name, sentence, and u ↦ u J for u of shape (k, …)."""


class Found(NamedTuple):
    """A map that is known: its vertices, its kind, the axes that it runs over, and what its value is multiplied by."""

    source: int
    target: int
    kind: str
    axes: tuple[int, ...]
    factor: Array


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
            if not x.ndim >= 1 or x.size > LARGEST or x.size < y.size:
                continue
            one = _known(tape, source, target, kinds, x, y)
            if one is not None:
                before = [past for past in found if past.target in {e.source for e in tape.edges[target]}]
                scaled = one.kind in SCALED and any(past.kind == one.kind for past in before)
                found += [] if scaled else [one]  # a multiple of what was found says the same again
                break
    return found


def _known(tape: Tape, source: int, target: int, kinds: tuple[str, ...], x: Array, y: Array) -> Found | None:
    for kind in kinds:
        if (axes := TESTS[kind](x, y)) is not None:
            return Found(source, target, kind, axes, np.ones(()))
    for kind in SCALED if x.shape == y.shape else ():  # γ (x − mean) / s, whose last step is no x̂
        for factor in _factors(tape, y.shape) if kind in kinds else ():
            if (axes := TESTS[kind](x, y / factor)) is not None:
                return Found(source, target, kind, axes, factor)
    return None


def _factors(tape: Tape, shape: tuple[int, ...]) -> Iterator[Array]:
    """Yield the arrays without a 0 that don't follow what is differentiated by, and may be factors of a shape."""
    values = [tape.values[k] for k in sorted(tape.needed - tape.active)]
    values += [
        one
        for k in tape.needed & set(tape.calls)
        for one in tape.calls[k].args
        if isinstance(one, np.ndarray)
    ]
    seen: list[Array] = []
    for one in values:
        value = (
            np.asarray(one, dtype=float)
            if one is not None and np.asarray(one).dtype.kind == "f"
            else np.zeros(1)
        )
        fits = value.ndim <= len(shape) and value.size > 1 and value.all() and np.isfinite(value).all()
        fits &= all(n in (1, m) for n, m in zip(value.shape[::-1], shape[::-1], strict=False))
        if fits and len(seen) < MOST_FACTORS and not any(np.array_equal(value, other) for other in seen):
            seen.append(value)
            yield value


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


NAMES = {"normalisation": "the normalisation", "unit": "the division by the length", "logsumexp": "log Σ exp"}


def _sets(ndim: int) -> Iterator[tuple[int, ...]]:
    for count in range(1, ndim + 1):
        yield from itertools.combinations(range(ndim), count)


def _close(one: Array, two: Array) -> bool:
    return bool(np.allclose(one, two, rtol=1e-9, atol=1e-12))


def _is_softmax(x: Array, y: Array) -> tuple[int, ...] | None:
    if x.shape != y.shape or (y < 0).any() or (y > 1).any():
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
            only_centred = np.allclose(scale, 1, rtol=1e-9) and not np.allclose(square, 1, rtol=1e-3)
            close = np.allclose(centred, scale * y, rtol=1e-7, atol=1e-9 * float(np.abs(centred).max()))
            if close and not only_centred:
                return axes
    return None


def _is_unit(x: Array, y: Array) -> tuple[int, ...] | None:
    if x.shape != y.shape:
        return None
    return next((axes for axes in _sets(x.ndim) if weight_of_squares(x, y, axes) is not None), None)


TESTS: dict[str, Callable[[Array, Array], tuple[int, ...] | None]] = {
    "softmax": _is_softmax,
    "log-softmax": _is_log_softmax,
    "logsumexp": _is_logsumexp,
    "normalisation": _is_normalisation,
    "unit": _is_unit,
}
SCALED = ("normalisation", "unit")
KINDS = {
    "divide": ("softmax", *SCALED), "multiply": ("softmax", *SCALED), "exp": ("softmax",),
    "softmax": ("softmax",), "log_softmax": ("log-softmax",), "log": ("log-softmax", "logsumexp"),
    "subtract": ("log-softmax",), "add": ("logsumexp",), "logsumexp": ("logsumexp",), "reshape": ("logsumexp",),
}  # fmt: skip
"""What may come out of the operation that a map ends with."""


def variants_of(tape: Tape, one: Found) -> Iterator[Variant]:
    """Yield what stands for the Jacobian of a known map by mistake."""
    x = np.asarray(tape.values[one.source], dtype=float)
    y = np.asarray(tape.values[one.target], dtype=float) / one.factor
    cut = tuple((edge, None) for edge in tape.edges[one.target])
    for cost, slip, said, pull in SLIPS[one.kind](x, y, one.axes):
        sentence = said.format(NAMES.get(one.kind, one.kind))
        yield Variant(
            cost, slip, sentence, cut, ((one.target, one.source, _flat(pull, y.shape, one.factor)),)
        )


def _flat(pull: Map, shape: tuple[int, ...], factor: Array) -> Pull:
    return lambda rows: np.asarray(pull(rows.reshape(-1, *shape) * factor).reshape(len(rows), -1))


def _over(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axis + 1 for axis in axes)  # behind the rows


def _said(axes: tuple[int, ...], ndim: int) -> str:
    if len(axes) == ndim > 1:
        return "all entries"
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"


def _total(values: Array, axes: tuple[int, ...]) -> Array:
    return np.asarray(values.sum(axis=_over(axes), keepdims=True))


def _of_softmax(x: Array, p: Array, axes: tuple[int, ...]) -> Slips:
    """Yield slips in u ↦ p ∘ (u − Σ p ∘ u)."""

    def over(axes: tuple[int, ...]) -> Map:
        return lambda u: p * (u - _total(p * u, axes))

    def total(values: Array) -> Array:
        return _total(values, axes)

    own, begun = over(axes), "in the derivative of {} "
    for other in _sets(x.ndim):
        if other != axes:
            said = f"{begun}the sum runs over {_said(other, x.ndim)}, expected {_said(axes, x.ndim)}"
            yield 1.1, Slip.WRONG_AXIS, said, over(other)
    count = np.prod([x.shape[axis] for axis in axes])
    for cost, slip, said, pull in (
        (0.95, Slip.ELEMENTWISE, "{} is taken entry by entry: p (1 − p)", lambda u: p * (1 - p) * u),
        (1.05, Slip.MISSING_PATH, begun + "the sum Σ p u is left out: p u", lambda u: p * u),
        (1.1, Slip.MISSING_DERIVATIVE, "the derivative of {} is left out", lambda u: u),
        (1.1, Slip.MISSING_FACTOR, begun + "the factor p is left out: u − Σ p u", lambda u: u - total(p * u)),
        (
            1.1,
            Slip.MISSING_FACTOR,
            begun + "the p in the sum is left out: p (u − Σ u)",
            lambda u: p * (u - total(u)),
        ),
        (
            1.2,
            Slip.MISSING_FACTOR,
            begun + "the sum has no factor p: p u − Σ p u",
            lambda u: p * u - total(p * u),
        ),
        (1.2, Slip.SIGN, begun + "the sign of the sum is wrong", lambda u: p * (u + total(p * u))),
        (
            1.2,
            Slip.FACTOR,
            begun + "the mean of p u stands for its sum",
            lambda u: p * (u - total(p * u) / count),
        ),
        (1.3, Slip.APPLIED_TWICE, begun + "p (1 − p) is a factor once more", lambda u: p * (1 - p) * own(u)),
    ):
        yield cost, slip, said, pull


def _of_log_softmax(x: Array, y: Array, axes: tuple[int, ...]) -> Slips:
    """Yield slips in u ↦ u − p ∘ Σ u."""
    p = np.exp(y)

    def over(axes: tuple[int, ...]) -> Map:
        return lambda u: u - p * _total(u, axes)

    def total(values: Array) -> Array:
        return _total(values, axes)

    begun = "in the derivative of {} "
    for other in _sets(x.ndim):
        if other != axes:
            said = f"{begun}the sum runs over {_said(other, x.ndim)}, expected {_said(axes, x.ndim)}"
            yield 1.1, Slip.WRONG_AXIS, said, over(other)
    for cost, slip, said, pull in (
        (0.95, Slip.ELEMENTWISE, "{} is taken entry by entry: 1 − p", lambda u: (1 - p) * u),
        (1.05, Slip.MISSING_PATH, begun + "the term p Σ u is left out", lambda u: u),
        (1.1, Slip.MISSING_FACTOR, begun + "the factor p of the sum is left out", lambda u: u - total(u)),
        (1.2, Slip.MISSING_DERIVATIVE, "of {} the softmax is differentiated, and the logarithm is not",
         lambda u: p * (u - total(p * u))),
        (1.3, Slip.SIGN, begun + "the sign of the sum is wrong", lambda u: u + p * total(u)),
    ):  # fmt: skip
        yield cost, slip, said, pull


def _of_logsumexp(x: Array, y: Array, axes: tuple[int, ...]) -> Slips:
    """Yield slips in u ↦ p ∘ u."""
    kept = tuple(1 if axis in axes else n for axis, n in enumerate(x.shape))
    count = x.size // y.size
    top = x == x.max(axis=axes, keepdims=True)

    def weighted(weights: Any) -> Map:
        return lambda u: np.asarray(u.reshape(-1, *kept) * (weights + np.zeros(x.shape)))

    begun = "in the derivative of {} "
    yield 1.0, Slip.MISSING_FACTOR, begun + "the weights softmax(x) are left out", weighted(1.0)
    for powers in (np.exp(x), np.exp(x - x.max(axis=axes, keepdims=True))):
        yield 1.1, Slip.MISSING_FACTOR, begun + "the softmax is not divided by its sum", weighted(powers)
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

    def formula(
        outer: Array = y,
        inner: Array = y,
        first: float = 1.0,
        second: Any = 1.0,
        scale: Array = s,
        whole: float = 1.0,
        over: tuple[tuple[int, ...], tuple[int, ...]] = (axes, axes),
    ) -> Map:
        def pull(u: Array) -> Array:
            mean = u.mean(axis=_over(over[0]), keepdims=True)
            along = (u * inner).mean(axis=_over(over[1]), keepdims=True)
            return np.asarray((whole * u - first * mean - second * outer * along) / scale)

        return pull

    def exchanged(u: Array) -> Array:
        mean, along = (one.mean(axis=_over(axes), keepdims=True) for one in (u, u * y))
        return np.asarray((u - along - y * mean) / s)

    begun, own = "in the derivative of {} ", _said(axes, x.ndim)
    for other in _sets(x.ndim):
        if other != axes:
            which = f"over {_said(other, x.ndim)}, expected {own}"
            yield 1.0, Slip.WRONG_AXIS, f"{begun}both sums run {which}", formula(over=(other, other))
            yield 1.1, Slip.WRONG_AXIS, f"{begun}the sum of u x̂ runs {which}", formula(over=(axes, other))
            yield 1.1, Slip.WRONG_AXIS, f"{begun}the sum of u runs {which}", formula(over=(other, axes))
            turned = np.sqrt(x.var(axis=other, keepdims=True))
            if (turned > 0).all():
                xh = (x - x.mean(axis=other, keepdims=True)) / turned
                said = f"{begun}mean, variance and sums run {which}"
                yield 1.05, Slip.WRONG_AXIS, said, formula(xh, xh, scale=turned, over=(other, other))
    yield 1.0, Slip.FACTOR, begun + f"the sums are not divided by {count}", formula(first=count, second=count)
    for n in sorted({*x.shape, x.size // count, count - 1} - {0, 1, count}):
        ratio, expected = count / n, f", expected {count}"
        said = f"{begun}the sums are divided by {n}{expected}"
        yield 1.15, Slip.FACTOR, said, formula(first=ratio, second=ratio)
        yield 1.2, Slip.FACTOR, f"{begun}the N of N u is {n}{expected}", formula(whole=1 / ratio)
        said = f"{begun}N is {n} throughout{expected}"
        yield 1.2, Slip.FACTOR, said, formula(first=ratio, second=ratio, scale=s)
        said = f"{begun}N is {n} before the bracket and at u{expected}"
        yield 1.2, Slip.FACTOR, said, formula(whole=n, first=count, second=count, scale=n * s)
    for name, value in (("x", x), ("x − mean", centred)):
        yield 1.1, Slip.WRONG_VALUE, f"{begun}{name} stands for x̂", formula(value, value)
        yield 1.15, Slip.WRONG_VALUE, f"{begun}{name} stands for x̂ before the sum", formula(value)
        yield 1.15, Slip.WRONG_VALUE, f"{begun}{name} stands for x̂ in the sum", formula(y, value)
    for cost, slip, said, wrong in (
        (1.0, Slip.MISSING_PATH, "the term of the mean is left out", formula(first=0.0)),
        (1.0, Slip.MISSING_PATH, "the term of the variance is left out", formula(second=0.0)),
        (1.05, Slip.MISSING_PATH, "the statistics are held constant", formula(first=0.0, second=0.0)),
        (1.2, Slip.WRONG_VALUE, "the two sums are exchanged", exchanged),
        (1.15, Slip.MISSING_FACTOR, "x̂ before the sum is left out", formula(np.ones_like(y))),
        (1.2, Slip.SIGN, "the sign of the term of the variance is wrong", formula(second=-1.0)),
        (1.2, Slip.SIGN, "the sign of the term of the mean is wrong", formula(first=-1.0)),
        (1.2, Slip.FACTOR, "the term of the variance is there twice", formula(second=2.0)),
        (1.2, Slip.FACTOR, "the term of the variance is halved", formula(second=0.5)),
        (1.25, Slip.FACTOR, "the power of the variance is wrong", formula(second=s)),
        (1.25, Slip.FACTOR, "the power of the variance is wrong", formula(second=1 / s)),
        (1.25, Slip.FACTOR, "the power of the variance is wrong", formula(second=s**2)),
        (1.1, Slip.FACTOR, "the variance stands for the standard deviation", formula(scale=s**2)),
        (
            1.1,
            Slip.MISSING_FACTOR,
            "the division by the standard deviation is left out",
            formula(scale=np.ones_like(s)),
        ),
        (1.3, Slip.FACTOR, "the standard deviation is a factor, expected a divisor", formula(scale=1 / s)),
    ):
        yield cost, slip, begun + said, wrong


def _of_unit(x: Array, y: Array, axes: tuple[int, ...]) -> Slips:
    expected = f", expected {_said(axes, x.ndim)}"
    others = [(one, f"over {_said(one, x.ndim)}{expected}") for one in _sets(x.ndim) if one != axes]
    yield from slips_of_lengths(x, y, axes, others)


SLIPS: dict[str, Callable[[Array, Array, tuple[int, ...]], Slips]] = {
    "softmax": _of_softmax,
    "log-softmax": _of_log_softmax,
    "logsumexp": _of_logsumexp,
    "normalisation": _of_normalisation,
    "unit": _of_unit,
}
