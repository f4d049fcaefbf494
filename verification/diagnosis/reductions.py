"""What is done wrong where entries are summed, averaged, or the largest taken, and where an operand is broadcast."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from jacobians.graph.operations.table import at
from jacobians.graph.recorder import Call
from jacobians.numerics.arrays import Array
from verification.causes import Slip
from verification.diagnosis.mutations import (
    ELEMENTWISE,
    REDUCTIONS,
    Variant,
    mutation,
    name_of,
    operand,
    scaled,
)
from verification.diagnosis.tape import Edge, Pull, Tape, by_entries


@mutation
def reductions(tape: Tape, vertex: int, call: Call) -> Iterator[Variant]:
    """1/N left out, doubled or too much; the largest entry's share spread evenly; all but one entry left out."""
    name = getattr(call.function, "__name__", "")
    if name not in REDUCTIONS:
        return
    for edge in tape.edges[vertex]:
        x, y = np.asarray(tape.values[edge.source]), np.asarray(tape.values[vertex])
        count = x.size // max(y.size, 1)
        if count < 2:
            continue
        if name in ("mean", "var", "std"):
            yield Variant(
                1.0,
                Slip.MISSING_FACTOR,
                f"the 1/{count} of {name} is left out",
                ((edge, scaled(edge, count)),),
            )
        if name in ("mean", "sum", "var"):
            said = f"it is divided by {count} {'once more' if name != 'sum' else 'where the code only sums'}"
            yield Variant(1.8, Slip.FACTOR, f"{said}, at {name}", ((edge, scaled(edge, 1 / count)),))
        if name == "var":
            yield Variant(
                1.2, Slip.MISSING_FACTOR, "the factor 2 of var is left out", ((edge, scaled(edge, 0.5)),)
            )
        if name in ("var", "std"):
            said = f"{name} divides by {count - 1} (ddof = 1), expected {count}"
            yield Variant(1.8, Slip.FACTOR, said, ((edge, scaled(edge, count / (count - 1))),))
        summed = _summed(call, edge)
        if summed is None:
            continue
        if name in ("max", "min", "amax", "amin"):
            spread_evenly = lambda rows, s=summed, c=count: s(rows) / c  # noqa: E731
            yield Variant(1.2, Slip.MASK, f"{name} is taken as the mean: spread evenly over {count} entries",
                          ((edge, spread_evenly),))  # fmt: skip
            yield Variant(1.5, Slip.MASK, f"{name} hands its share to all {count} entries", ((edge, summed),))
        if name in ("sum", "mean"):
            for k, which in ((0, "first"), (count - 1, "last")):
                one = _one_entry(call, edge, x, k)
                if one is not None:
                    said = f"only the {which} of {count} entries counts in {name}"
                    yield Variant(1.5, Slip.MISSING_PATH, said, ((edge, one),))
                    if name == "mean":
                        whole = lambda rows, one=one, count=count: count * one(rows)  # noqa: E731
                        yield Variant(1.5, Slip.MISSING_PATH, f"{said}, undivided", ((edge, whole),))
        if name == "mean":
            top = 1.0 * (x == x.max(axis=_axes(call, x.ndim), keepdims=True))
            said = f"mean is taken as max: the largest of {count} entries gets all"
            yield Variant(1.4, Slip.MASK, said, ((edge, _then(summed, top)),))
        if name in ("norm", "std"):
            pull = _then(summed, x)
            yield Variant(
                1.3,
                Slip.MISSING_FACTOR,
                f"the division by {name} is left out in its derivative",
                ((edge, pull),),
            )
        if name == "prod" and y.size == 1:
            pull = _then(summed, np.broadcast_to(np.ravel(y)[0], x.shape))
            yield Variant(
                1.5, Slip.FUNCTION_FOR_DERIVATIVE, "prod stands for its derivative", ((edge, pull),)
            )


def _then(pull: Pull, weights: Array) -> Pull:
    last = by_entries(weights)
    return lambda rows: last(pull(rows))


def _axes(call: Call, ndim: int) -> tuple[int, ...]:
    position = 2 if getattr(call.function, "__name__", "") == "norm" else 1
    axis = call.args[position] if len(call.args) > position else call.kwargs.get("axis")
    if axis is None:
        return tuple(range(ndim))
    return tuple(int(a) % ndim for a in (axis if isinstance(axis, tuple) else (axis,)))


def _summed(call: Call, edge: Edge) -> Pull | None:
    """Return the pull of the sum over the same axes."""
    x = at(call.args, call.kwargs, edge.place)
    kept = tuple(1 if axis in _axes(call, x.ndim) else n for axis, n in enumerate(x.shape))
    if math.prod(kept) == 0:
        return None
    return lambda rows: np.broadcast_to(rows.reshape(-1, *kept), (len(rows), *x.shape)).reshape(len(rows), -1)


def _one_entry(call: Call, edge: Edge, x: Array, k: int) -> Pull | None:
    axes = _axes(call, x.ndim)
    mask = np.zeros(x.shape)
    mask[tuple((0 if k == 0 else -1) if axis in axes else slice(None) for axis in range(x.ndim))] = 1
    return lambda rows: edge.pull(rows) * mask.reshape(-1)


@mutation
def broadcasts(tape: Tape, vertex: int, call: Call) -> Iterator[Variant]:
    """What flows back to an operand that was broadcast is averaged, or counted once, where it is to be summed."""
    if call.function not in ELEMENTWISE or len(call.args) != 2:
        return
    made = np.shape(tape.values[vertex])
    for edge in tape.edges[vertex]:
        shape = np.shape(tape.values[edge.source])
        kept = (1,) * (len(made) - len(shape)) + shape
        axes = tuple(axis for axis, (n, m) in enumerate(zip(kept, made, strict=True)) if n == 1 < m)
        count = math.prod(made[axis] for axis in axes)
        if count < 2:
            continue
        what = f"{operand(tape, call, edge.place)} at {name_of(call)}"
        said = f"what flows back to {what} is averaged over {count} entries, expected their sum"
        yield Variant(1.7, Slip.FACTOR, said, ((edge, scaled(edge, 1 / count)),))
        said = f"what flows back to {what} is counted once, expected once for each of the entries that have a share"
        yield Variant(1.8, Slip.NOT_SUMMED, said, ((edge, _once(edge, made, axes)),))


def _once(edge: Edge, made: tuple[int, ...], axes: tuple[int, ...]) -> Pull:
    over = tuple(axis + 1 for axis in axes)

    def pull(rows: Array) -> Array:
        shares = (rows.reshape(-1, *made) != 0).sum(axis=over).reshape(len(rows), -1)
        return edge.pull(rows) / np.maximum(shares, 1)

    return pull
