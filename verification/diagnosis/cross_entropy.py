"""Slips in the gradient of a cross entropy by the scores, w (p − y), whatever follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jacobians.numerics.arrays import Array
from verification.causes import Slip
from verification.diagnosis.mutations import value_name
from verification.diagnosis.recognised import LARGEST, recognised, softmax
from verification.diagnosis.tape import Tape


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
            (1.1, Slip.PLACE, "1 is subtracted in the columns of all labels, p[:, y]", p - columns),
            (1.2, Slip.WRONG_VALUE, "1 is subtracted everywhere", p - 1),
            (1.2, Slip.MISSING_PATH, "only the entry of the label is there", t * (p - 1)),
            *_other_targets(p, t),
        ):  # fmt: skip
            yield cost, slip, f"{said}, at {name}", vertex, w * wrong
    for vertex, z, g in _vectors(tape, base):
        p = 1 / (1 + np.exp(-np.clip(z, -500, 500)))
        for t in _targets(tape, z.shape):
            weight = g / (p - t)
            if (weight > 0).all():
                name = value_name(tape, vertex)
                for cost, slip, said, wrong in (
                    (1.3, Slip.WRONG_VALUE, "z stands for its logistic function: z − y for p − y", z - t),
                    (1.6, Slip.MISSING_CONSTANT, "the target is not subtracted: p stands for p − y", p),
                    (
                        1.3,
                        Slip.APPLIED_TWICE,
                        "p (1 − p) is a factor of p − y too much",
                        (p - t) * p * (1 - p),
                    ),
                    (1.4, Slip.MISSING_PATH, "the logistic function is left out: −y stands for p − y", -t),
                ):
                    yield cost, slip, f"{said}, at {name}", vertex, weight * wrong


def _other_targets(p: Array, t: Array) -> Iterator[tuple[float, Slip, str, Array]]:
    """Yield slips in targets that are smoothed: one value where the label is, another elsewhere."""
    hot = t == t.max(axis=-1, keepdims=True)
    low, classes = float(t.min()), t.shape[-1]
    if low <= 0 or not np.allclose(np.where(hot, t.max(), low), t) or classes < 3:
        return
    rest = classes * low  # ε, spread over all classes
    for said, other in (
        ("the labels are not smoothed", 1.0 * hot),
        (
            f"ε is spread over {classes - 1} classes, expected {classes}",
            np.where(hot, 1 - rest, rest / (classes - 1)),
        ),
        ("ε/K is left out of the smoothed labels", np.where(hot, 1 - rest, 0)),
        ("ε/K is left out at the label", np.where(hot, 1 - rest, low)),
        ("the label keeps 1, and ε/K is added to all", hot + low),
    ):
        yield 1.2, Slip.WRONG_VALUE, said, p - other


def _vectors(tape: Tape, base: dict[int, Array]) -> Iterator[tuple[int, Array, Array]]:
    for vertex in sorted(tape.active & set(base)):
        z = np.asarray(tape.values[vertex], dtype=float)
        if 4 <= z.size <= LARGEST and base[vertex].shape == (1, z.size):
            yield vertex, z, base[vertex].reshape(z.shape)


def _targets(tape: Tape, shape: tuple[int, ...]) -> list[Array]:
    arrays = [tape.values[k] for k in range(len(tape.values)) if k not in tape.active]
    arrays += [one for call in tape.calls.values() for one in call.args if isinstance(one, np.ndarray)]
    found: list[Array] = []
    for one in arrays:
        labels = np.shape(one) == shape and np.isin(one, (0, 1)).all() and 0 < np.mean(one) < 1
        if labels and not any(np.array_equal(one, other) for other in found):
            found.append(np.asarray(one, dtype=float))
    return found
