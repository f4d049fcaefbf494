"""Gradients in a wrong form: not summed, not cut to shape, turned, parts in another place, one triangle of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from jacobians.graph.operations.table import replaced
from jacobians.numerics.arrays import Array
from verification.causes import Slip
from verification.diagnosis.layouts import Shape
from verification.diagnosis.mutations import ELEMENTWISE, value_name
from verification.diagnosis.tape import Tape, pull_of

MOST_AXES = 5
LARGEST_SUMMED = 10**6
"""The entries of an array of which all sums are compared."""

Taken = tuple[float, str, str, Array]
"""Cost, name, sentence, and the gradient in the parameter's shape that is left without the form."""

BLOCKS = (2, 3, 4)
"""Into so many parts an axis is cut, whose order may be wrong, as that of the gates of an LSTM cell."""


def gradients(found: Array, shape: Shape) -> Iterator[Taken]:
    """Yield what a gradient is without a form that it may have by mistake.

    Parameters
    ----------
    found : numpy.ndarray
        In any shape.
    shape : tuple of int
        That of the parameter.

    Examples
    --------
    >>> [said for _, _, said, _ in gradients(np.ones((4, 3)), (3,))]
    ['it is not summed over axis 0: summed over it the answer has the shape (3,)']
    """
    if found.shape == shape:
        yield from _same_shape(found)
        return
    if found.size == math.prod(shape):
        yield from _same_size(found, shape)
    yield from _sums(found, shape)
    for turned, said, cost in ((found, "", 0.0), (found.T, "transposed, ", 0.6)):
        if turned.ndim == len(shape) and (not said or found.ndim == 2):
            for own_cost, name, sentence, part in _parts(turned, shape):
                yield own_cost + cost, name, said + sentence, part
    if found.ndim == 2 and found.shape[0] == found.shape[1] and shape in ((len(found),), (len(found), 1)):
        said = (
            f"its diagonal is meant: ({len(found)}, 1) against ({len(found)},) was broadcast to {found.shape}"
        )
        yield 1.0, Slip.SHAPE, said, np.diag(found).reshape(shape)


def _same_shape(found: Array) -> Iterator[Taken]:
    square = found.ndim == 2 and found.shape[0] == found.shape[1]
    if square:
        yield 0.5, Slip.TRANSPOSED, "the gradient is transposed", found.T
    for one, two in itertools.combinations(range(found.ndim), 2) if found.ndim > 2 else ():
        if found.shape[one] == found.shape[two] > 1:
            said = f"the answer is transposed in its axes {one} and {two}"
            yield 0.9, Slip.TRANSPOSED, said, np.swapaxes(found, one, two)
    if found.ndim >= 2:
        yield 1.0, Slip.REVERSED, "the answer is turned by 180° in its last two axes", found[..., ::-1, ::-1]
    for axis in range(found.ndim):
        if found.shape[axis] > 2:
            yield 1.2, Slip.REVERSED, f"the answer is reversed along axis {axis}", np.flip(found, axis)
            for shift, way in ((1, "up"), (-1, "down")):
                said = f"the answer is moved {way} by one along axis {axis}"
                yield 1.5, Slip.PLACE, said, np.roll(found, shift, axis)
        for count in BLOCKS:
            if found.shape[axis] % count == 0 and found.shape[axis] > count:
                parts = np.split(found, count, axis)
                for order in itertools.permutations(range(count)):
                    if order != tuple(range(count)):
                        said = (
                            f"the {count} parts of axis {axis} are in another order: {[k + 1 for k in order]}"
                        )
                        yield (
                            1.6,
                            Slip.PLACE,
                            said,
                            np.concatenate([parts[order.index(k)] for k in range(count)], axis),
                        )


def _same_size(found: Array, shape: Shape) -> Iterator[Taken]:
    plain = found.reshape(shape)
    if tuple(n for n in found.shape if n > 1) == tuple(n for n in shape if n > 1):
        yield (
            0.2,
            Slip.SHAPE,
            f"the shape is {found.shape}, expected {shape}; the numbers stand in order",
            plain,
        )
        return
    if found.ndim == 2 and found.shape == shape[::-1]:
        yield 0.2, Slip.TRANSPOSED, f"the gradient is transposed: {found.shape}, expected {shape}", found.T
    yield 0.4, Slip.SHAPE, f"the shape is {found.shape}, expected {shape}; the numbers stand in order", plain
    if 2 <= found.ndim <= 4:
        for order in itertools.permutations(range(found.ndim)):
            moved = found.transpose(order)
            if order != tuple(range(found.ndim)) and not (found.ndim == 2 and moved.shape == shape):
                said = f"the shape is {found.shape}, expected {shape}: reshape the transpose {order} of it"
                yield 0.8, Slip.SHAPE, said, moved.reshape(shape)


def _sums(found: Array, shape: Shape) -> Iterator[Taken]:
    for count in range(1, found.ndim + 1):
        for axes in itertools.combinations(range(found.ndim), count):
            rest = tuple(n for axis, n in enumerate(found.shape) if axis not in axes)
            if math.prod(found.shape[axis] for axis in axes) > 1 and _bare(rest) == _bare(shape):
                which = f"axis {axes[0]}" if count == 1 else f"axes {axes}"
                said = f"it is not summed over {which}: summed over it the answer has the shape {shape}"
                yield 0.4, Slip.NOT_SUMMED, said, found.sum(axis=axes).reshape(shape)


def _bare(shape: Shape) -> Shape:
    return tuple(n for n in shape if n > 1)


def _parts(found: Array, shape: Shape) -> Iterator[Taken]:
    """Yield the parts of the right shape of an array that has more entries, as of a padded one."""
    more = [n - m for n, m in zip(found.shape, shape, strict=True)]
    if min(more, default=0) < 0 or not any(more):
        return
    choices = [sorted({0, extra // 2, extra}) if extra % 2 == 0 else [extra, 0] for extra in more]
    for start in itertools.product(*choices):
        part = found[tuple(slice(s, s + m) for s, m in zip(start, shape, strict=True))]
        yield 0.5, Slip.EXTRA_ENTRIES, _said_of_part(found, shape, start), part


def _said_of_part(found: Array, shape: Shape, start: tuple[int, ...]) -> str:
    differing = [axis for axis, (n, m) in enumerate(zip(found.shape, shape, strict=True)) if n != m]
    if len(differing) == 1 and found.ndim <= 2 and found.shape[differing[0]] - shape[differing[0]] == 1:
        axis = differing[0]
        which = "first" if start[axis] else "last"
        what = ("row" if axis == 0 else "column") if found.ndim == 2 else "entry"
        return f"the {which} {what} is too much: without it the answer has the shape {shape}"
    text = []
    for axis, (n, m) in enumerate(zip(found.shape, shape, strict=True)):
        left, right = start[axis], n - m - start[axis]
        text.append(":" if n == m else f"{left or ''}:{-right if right else ''}")
    return f"a border is too much: its part [{', '.join(text)}] has the shape {shape}"


def of_symmetric(right: Array, shape: Shape) -> Iterator[Taken]:
    """Yield what conventions for symmetric matrices make of a gradient.

    Parameters
    ----------
    right : numpy.ndarray, shape (m, n)
    shape : tuple of int
        Of the parameter; there are none unless it is square.
    """
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] < 2:
        return
    S = right.reshape(-1, *shape)
    T = np.swapaxes(S, 1, 2)
    diagonal = S * np.eye(shape[0])
    half = "it is ½(S + Sᵀ), expected S: f is asked for all matrices, not for symmetric ones"
    if not np.triu(S, 1).any() or not np.tril(S, -1).any():
        half = "it is right for symmetric arguments: f reads one triangle only"
    for cost, said, wrong in (
        (1.3, "it is 2S − diag(S), the convention for symmetric matrices, expected S", S + T - diagonal),
        (1.3, "it is S + Sᵀ, expected S", S + T),
        (1.3, half, (S + T) / 2),
        (1.3, "only the lower triangle is there", np.tril(S)),
        (1.3, "only the upper triangle is there", np.triu(S)),
        (1.4, "it is folded into the lower triangle", np.tril(S + T) - diagonal),
        (1.4, "it is folded into the upper triangle", np.triu(S + T) - diagonal),
        (1.4, "only the diagonal is there", diagonal),
    ):
        yield cost, Slip.SYMMETRY, said, wrong.reshape(right.shape)


def of_blocks(found: Array, right: Array, out_shape: Shape, in_shape: Shape) -> tuple[str, str] | None:
    """Return the name and the sentence for a candidate that is the Jacobian of each point of a batch, or their sum."""
    if not out_shape or not in_shape or out_shape[0] != in_shape[0] or out_shape[0] < 2:
        return None
    count = out_shape[0]
    m, n = len(right) // count, right.shape[1] // count
    blocks = np.einsum("kmkn->kmn", right.reshape(count, m, count, n))
    for made, said in (
        (
            blocks,
            f"it is the Jacobian of each of {count} points, the diagonal blocks of J, which batched=True asks about",
        ),
        (blocks.sum(axis=0), f"it is the sum of the Jacobians of {count} points"),
        (blocks.mean(axis=0), f"it is the mean of the Jacobians of {count} points"),
    ):
        fits = found.size == made.size and found.shape[-1:] == (n,)
        if fits and _near(found.reshape(made.shape), made):
            return Slip.PER_POINT, said
    return None


def of_missing_entries(found: Array, right: Array) -> Iterator[tuple[str, str]]:
    """Yield the sentence for a gradient without its first or last row or column."""
    if found.ndim != right.ndim:
        return
    for axis in range(right.ndim):
        for kept, which in ((slice(1, None), "first"), (slice(None, -1), "last")):
            part = right[(slice(None),) * axis + (kept,)]
            if part.shape == found.shape and part.size > 1 and _near(found, part):
                what = ("row", "column")[axis] if right.ndim == 2 else f"entry along axis {axis}"
                yield (
                    Slip.BIAS_COLUMN if right.ndim == 2 and axis else Slip.SHAPE,
                    f"the {which} {what} is missing",
                )


def summed_too_far(found: Array, right: Array) -> Iterator[tuple[str, str]]:
    """Yield the sentence for a gradient that is summed or averaged over an axis that it has."""
    if found.shape == right.shape or right.ndim < 2:
        return
    for axes in _some_axes(right.ndim):
        for made, how in ((right.sum(axis=axes), "summed"), (right.mean(axis=axes), "averaged")):
            if made.size > 1 and _is(found, made):
                yield Slip.WRONG_AXIS, f"it is {how} over {_axes(axes)}, which the answer has"


def of_another_sum(found: Array, right: Array, tape: Tape) -> Iterator[tuple[float, str, str]]:
    """Yield what fits a gradient that is a sum of an array of the code, over other axes than it should be.

    Parameters
    ----------
    found, right : numpy.ndarray
        In the shape of the parameter.
    """
    for vertex, name in tape.names.items():
        value = np.asarray(tape.values[vertex], dtype=float)
        if not 2 <= value.ndim <= MOST_AXES or value.size > LARGEST_SUMMED:
            continue
        sums = {axes: value.sum(axis=axes) for axes in _some_axes(value.ndim)}
        own = next((axes for axes, one in sums.items() if _is(right, one)), None)
        for axes, one in sums.items() if own is not None else ():
            if axes != own and one.size > 1 and _is(found, one):
                said = f"it is {name} summed over {_axes(axes)}, expected over {_axes(own or ())}"
                yield 0.7, Slip.WRONG_AXIS, said


def _some_axes(ndim: int) -> Iterator[tuple[int, ...]]:
    for count in range(1, ndim):
        yield from itertools.combinations(range(ndim), count)


def _is(found: Array, made: Array) -> bool:
    """Say whether an array is another, up to axes of length 1."""
    return _bare(found.shape) == _bare(made.shape) and _near(found.reshape(made.shape), made)


def before_the_sum(found: Array, tape: Tape, adjoints: dict[int, Array]) -> Iterator[tuple[float, str, str]]:
    """Yield what fits a gradient of a broadcast parameter that was summed over other axes than it should be.

    Parameters
    ----------
    found : numpy.ndarray
        The candidate, in its own shape.
    tape : Tape
    adjoints : dict
        Of the whole function with one output.
    """
    shape = np.shape(tape.values[0])
    total: dict[Shape, Array] = {}
    for vertex, call in tape.calls.items():
        for place, source, _ in call.operands:
            made = np.shape(tape.values[vertex])
            if source == 0 and made != shape and call.function in ELEMENTWISE and vertex in adjoints:
                args, kwargs = replaced(
                    call.args, call.kwargs, place, np.broadcast_to(tape.values[0], made).copy()
                )
                pull = pull_of(call.rule(call.function, args, kwargs)[1](place))
                entries = pull(adjoints[vertex]).reshape(made)
                total[made] = total.get(made, 0) + entries
    name = value_name(tape, 0)
    for made, entries in total.items():
        if found.shape == made and _near(found, entries):
            yield (
                0.5,
                Slip.NOT_SUMMED,
                f"it is not summed to the shape of {name}, {shape}, but has that of the product, {made}",
            )
        for count in range(1, len(made) + 1):
            for axes in itertools.combinations(range(len(made)), count):
                summed = entries.sum(axis=axes)
                if (
                    summed.size > 1
                    and _bare(found.shape) == _bare(summed.shape)
                    and _near(found.reshape(summed.shape), summed)
                ):
                    said = f"it is summed over {_axes(axes)} of the shape {made}, expected the shape of {name}, {shape}"
                    yield 0.6, Slip.WRONG_AXIS, said


def _axes(axes: tuple[int, ...]) -> str:
    return f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"


def _near(found: Array, expected: Array) -> bool:
    return bool(np.linalg.norm(found - expected) <= 1e-6 * max(float(np.linalg.norm(expected)), 1e-300))
