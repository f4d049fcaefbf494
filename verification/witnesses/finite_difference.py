"""Numeric witnesses: forward and central differences, Richardson extrapolation, the complex step.

Every quotient divides by the step that was really taken, (x + h) − (x − h) as the machine stores it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from jacobians.equality import by_value
from jacobians.function import INPUT
from jacobians.numerics.arguments import checked_option
from jacobians.numerics.arrays import Array
from jacobians.numerics.float_errors import without_float_errors
from verification.problem import FAR, Problem
from verification.witnesses.complex_step import complex_step
from verification.witnesses.neighbours import Neighbours, blocks_of
from verification.witnesses.size import Progress
from verification.witnesses.steps import FAINT, NORMAL, UNDERFLOW, require_jacobian, steps_of

Method = Literal["central", "forward", "complex-step", "richardson"]

FIRST_STEP = 2.0**-6
COARSE_STEP = 2.0**-3  # where f rounds to float32 or float16
LEVEL_RATIO = 4.0  # of one step of the extrapolation to the next; a smooth gap shrinks as much
MOST_LEVELS = 10
LEAST_LEVELS = 4  # before the extrapolation may end: their points go into one batched call
CONVINCING = 1e-6  # of an entry: beside what steps of the size 1 find with a smaller error is no kink


@by_value
class RichardsonResult(NamedTuple):
    """What the extrapolation found: the Jacobian, an error estimate for each entry, and where there is a kink.

    Attributes
    ----------
    matrix : numpy.ndarray, shape (m, n)
        Numerator layout, row-major vec.
    error : numpy.ndarray, shape (m, n)
        Estimated absolute errors; infinite where no step gave finite values.
    kinks : numpy.ndarray of bool, shape (m, n)
        True where the one-sided differences keep disagreeing as the step falls.
    """

    matrix: Array
    error: Array
    kinks: NDArray[np.bool_]


@without_float_errors
def finite_difference_jacobian(
    f: Any,
    x: Any,
    method: Method = "central",
    step: Any = None,
    wrt: str = INPUT,
    *,
    vectorized: bool = False,
) -> Array:
    """Return the Jacobian of f at x by differences, shape (m, n): numerator layout, row-major vec.

    =============  ================================================  =====================  ============
    method         entry (i, j)                                      step, by default       error
    =============  ================================================  =====================  ============
    central        (f_i(x + h e_j) − f_i(x − h e_j)) / 2h            eps^⅓·max(1, |x_j|)    O(h²)
    forward        (f_i(x + h e_j) − f_i(x)) / h                     eps^½·max(1, |x_j|)    O(h)
    richardson     central differences extrapolated to h = 0         a sequence             estimated
    complex-step   Im f_i(x + i h e_j) / h                           1e-20·|x_j|            rounding
    =============  ================================================  =====================  ============

    A step outside of the domain of f (values that aren't finite) is taken again in proportion to the size of x_j. Where
    x_j + h or f there is beyond the largest float, the difference is that to the other side.

    The numbers don't say whether f has a derivative: where it jumps they are the height over 2h, at a kink the mean of
    both sides. :func:`richardson_jacobian` says where, in ``kinks``; :func:`verification.check` gives a verdict.

    Parameters
    ----------
    f : Function or callable
        From one array to one array; a Function is called once for many points.
    x : array_like
        The point. Never written to; integers become float64.
    method : {"central", "forward", "complex-step", "richardson"}
        The complex step needs code that can be traced and is analytic.
    step : float or array_like, optional
        h, one for all entries or one an entry, in the shape of x; for "richardson" the largest of the sequence.
    wrt : str
        "input", or the name of a parameter of a Function.
    vectorized : bool
        True says that plain code takes points along a first axis, ``f(X)[k]`` being the value at ``X[k]``: it is then
        called with all neighbours of x at once, and never with a point alone.

    Returns
    -------
    numpy.ndarray, shape (m, n)
        m and n are the sizes of f(x) and of x, 1 for a scalar. float32 if f computes in it.

    Raises
    ------
    ValueError
        For an unknown method, a step that isn't positive, or one that is lost in the rounding of x; if a value
        of a `vectorized` f depends on other points than its own.
    NotAnalyticError, TracingError
        For "complex-step", if f is not analytic or can't be traced to see that; the message names the operation.

    Examples
    --------
    >>> import numpy as np
    >>> finite_difference_jacobian(lambda x: np.array([x[0] * x[1], x[0]]), [2, 3]).round(6)
    array([[3., 2.],
           [1., 0.]])
    """
    checked_option(method, "method", get_args(Method))
    problem = Problem(f, x, wrt, vectorized=vectorized)
    if method == "complex-step":
        return complex_step(problem, step)
    if method == "richardson":
        found = richardson(problem, step).matrix
        if step is None and not np.isfinite(found).all():  # there is one side alone, beside the largest float
            found = np.where(np.isfinite(found), found, _differences(problem, "central", step))
        return found
    return _differences(problem, method, step)


@without_float_errors
def richardson_jacobian(
    f: Any, x: Any, step: Any = None, wrt: str = INPUT, *, vectorized: bool = False
) -> RichardsonResult:
    """Return the extrapolated Jacobian of f at x, with an error estimate for each entry.

    Parameters as for :func:`finite_difference_jacobian`; `step` is the largest step.

    Examples
    --------
    >>> import numpy as np
    >>> result = richardson_jacobian(np.exp, 1.0)
    >>> bool(abs(result.matrix[0, 0] - np.e) <= result.error[0, 0] < 1e-8)
    True
    """
    return richardson(Problem(f, x, wrt, vectorized=vectorized), step)


# --- steps -----------------------------------------------------------------------------------------------


def _taken(problem: Problem, columns: Array, h: Array) -> tuple[Array, Array]:
    """Return the entries x_j + h_j for some columns j, and the steps that are really taken: 0 beyond the floats.

    Raises
    ------
    ValueError
        If a step is lost in the rounding of x.
    """
    x = problem.point.reshape(-1)[columns]
    moved = np.where(np.isfinite(x + h), x + h, x)
    taken = moved - x
    if (lost := (taken == 0) & np.isfinite(x + h)).any():
        k = int(np.argmax(lost))
        raise ValueError(
            f"step: {abs(float(h[k])):.1e} is lost in the rounding of entry {int(columns[k])} = {float(x[k])!r}; "
            f"expected a step above {float(np.spacing(abs(x[k]))):.1e}"
        )
    return moved, taken


def _differences(problem: Problem, method: str, step: Any) -> Array:
    eps = max(float(np.finfo(problem.point.dtype).eps), problem.returned)
    relative = eps ** (1 / 3) if method == "central" else eps**0.5
    h = steps_of(problem, step, relative)
    require_jacobian(problem)
    columns = np.arange(problem.point.size)
    jacobian = _quotients(problem, method, columns, h)
    if step is None and not np.isfinite(jacobian).all() and np.isfinite(problem.value).all():
        sizes = np.abs(problem.point.reshape(-1))
        outside = ~np.isfinite(jacobian).all(axis=0) & (sizes > 0)
        jacobian[:, outside] = _quotients(problem, method, columns[outside], (relative * sizes)[outside])
        infinite = np.isinf(jacobian).any(axis=0)
        if method == "forward" and infinite.any():
            jacobian[:, infinite] = _quotients(problem, "central", columns[infinite], h[infinite])
    return jacobian


def _quotients(problem: Problem, method: str, columns: Array, h: Array) -> Array:
    if method == "forward":
        h = np.where(np.isfinite(problem.point.reshape(-1)[columns] + h), h, -h)
    above, up = _taken(problem, columns, h)
    below, down = _taken(problem, columns, -h) if method == "central" else (None, np.zeros_like(up))
    rows = np.empty((len(columns), problem.value.size), dtype=problem.value.dtype)
    sides = [above] if below is None else [above, below]
    blocks = blocks_of(problem, columns, len(sides))
    neighbours = Neighbours(problem, len(sides) * len(columns[blocks[0]])) if blocks else None
    for part in blocks:
        assert neighbours is not None
        right, *left = neighbours.values(columns[part], *(side[part] for side in sides))
        np.subtract(right, left[0] if left else problem.value.reshape(-1), out=rows[part])
        rows[part] /= (up[part] - down[part])[:, None]
        if left and not np.isfinite(rows[part]).all():  # where f overflows on one side, the other is asked
            middle, infinite = problem.value.reshape(-1), np.isinf(right) ^ np.isinf(left[0])
            ends = ((right - middle) / up[part, None], (middle - left[0]) / -down[part, None])
            rows[part] = np.where(infinite, np.where(np.isinf(right), ends[1], ends[0]), rows[part])
    return rows.T


# --- extrapolation ---------------------------------------------------------------------------------------


def richardson(problem: Problem, step: Any = None, levels: int = MOST_LEVELS) -> RichardsonResult:
    """Return the extrapolated Jacobian of a problem, from at most some levels; see :func:`richardson_jacobian`."""
    require_jacobian(problem)
    m, n = problem.shape
    relative = COARSE_STEP if problem.eps.max() > np.finfo(np.float64).eps else FIRST_STEP
    columns, first = np.arange(n), steps_of(problem, step, relative)
    result = _in_blocks(problem, columns, first, levels)
    if step is None:
        # Entries much smaller than 1 may have a smaller scale of their own: the better of the two is kept.
        sizes = np.abs(problem.point.reshape(-1))
        scale = np.max(np.abs(result.matrix), axis=1, initial=0, where=np.isfinite(result.matrix))
        poor = (result.error > 1e-6 * scale[:, None]).any(axis=0) & (sizes > 0) & (sizes < 0.25)
        if poor.any():
            again = _in_blocks(problem, columns[poor], (relative * sizes[poor]).astype(sizes.dtype), levels)
            for old, new in zip(result, again, strict=True):
                better = again.error < result.error[:, poor]
                if old is not result.error:
                    old[:, poor] = np.where(better, new, old[:, poor])
            result.error[:, poor] = np.minimum(result.error[:, poor], again.error)
        if (sizes > FAR).any():  # steps of the size 1 contest what steps in proportion to x found
            result = _contested(problem, result, sizes)
    return RichardsonResult(*(part.reshape(m, n) for part in result))


def _contested(problem: Problem, found: RichardsonResult, sizes: Array) -> RichardsonResult:
    """Return what was found again, where steps of the size 1 let it stand, or else what those find."""
    far = np.flatnonzero(sizes > FAR)
    least = LEVEL_RATIO ** (LEAST_LEVELS + 1) * np.spacing(sizes[far])
    first = np.maximum(FIRST_STEP, least).astype(sizes.dtype)
    again = _in_blocks(problem, far, first, MOST_LEVELS, [part[:, far].T for part in found[:2]])
    matrix, error, kinks = (part.copy() for part in found)
    vague = again.error > CONVINCING * np.abs(again.matrix)
    matrix[:, far], error[:, far], kinks[:, far] = *again[:2], again.kinks | (kinks[:, far] & vague)
    return RichardsonResult(matrix, error, kinks)


def _in_blocks(
    problem: Problem, columns: Array, first: Array, levels: int, known: Any = None
) -> RichardsonResult:
    """Extrapolate block by block of columns: all that a block needs stays in the cache."""
    sides = 2 * min(levels, LEAST_LEVELS)
    parts, progress = [], Progress("differences", len(columns))
    for p in blocks_of(problem, columns, sides):
        parts.append(
            _extrapolate(problem, columns[p], first[p], levels, known and [part[p] for part in known])
        )
        progress.step(len(columns[p]))
    progress.close()
    return RichardsonResult(*(np.concatenate(part, axis=1) for part in zip(*parts, strict=True)))


def _levels(
    problem: Problem, columns: Array, first: Array, levels: int
) -> Iterator[tuple[Array, Array, Array, Array, Array]]:
    """Yield steps, the steps really taken up and down, and the values above and below, level by level."""
    smallest = 4 * np.spacing(np.abs(problem.point.reshape(-1)[columns]))
    falling = [first / LEVEL_RATIO**level for level in range(levels)]
    steps = list(takewhile(lambda h: not np.any(h < smallest), falling))
    neighbours = Neighbours(problem, 2 * len(columns) * min(len(steps), LEAST_LEVELS))
    for together in (steps[:LEAST_LEVELS], *([h] for h in steps[LEAST_LEVELS:])):
        taken = [(_taken(problem, columns, h), _taken(problem, columns, -h)) for h in together]
        moved = [entries for sides in taken for entries, _ in sides]
        values = neighbours.values(columns, *moved) if moved else ()
        for h, ((_, up), (_, down)), above, below in zip(
            together, taken, values[::2], values[1::2], strict=True
        ):
            yield h, up, down, above, below


def _extrapolate(
    problem: Problem, columns: Array, first: Array, levels: int, known: Any = None
) -> RichardsonResult:
    """Neville's scheme over central differences at steps that fall by 4, entry by entry; `known` from larger ones."""
    eps = np.maximum(float(np.finfo(problem.point.dtype).eps), problem.eps)
    middle = problem.value.reshape(1, -1)
    subnormal = np.where(np.abs(middle) < NORMAL, np.abs(middle), 0)
    shape = (len(columns), problem.value.size)
    best, error = known or (np.full(shape, np.nan), np.full(shape, np.inf))
    kinks, smallest, previous_gap = np.zeros(shape, dtype=bool), np.zeros(shape), np.full(shape, np.inf)
    previous: list[Array] = []
    for level, (h, up, down, above, below) in enumerate(_levels(problem, columns, first, levels)):
        rounding = np.maximum(problem.noise, eps * np.maximum(np.abs(above), np.abs(below)))
        moved = np.maximum(np.abs(above - middle), np.abs(below - middle))
        # a change that is no normal number, and gone at a smaller step, is the height of a stair
        smallest = np.where((moved > 0) & (moved < NORMAL), moved, smallest)
        coarse = (moved > 0) | (h[:, None] <= UNDERFLOW / FAINT)
        gone = (moved == 0) & (smallest > 0)
        stairs = np.where(coarse & ~gone, UNDERFLOW, np.maximum(smallest, subnormal))
        error = np.where(gone, np.maximum(error, 2 * smallest / first[:, None]), error)
        noise = 2 * np.maximum(rounding, stairs) / h[:, None]
        row = [(above.astype(np.float64) - below) / (up - down)[:, None]]
        for i, old in enumerate(previous):
            factor = LEVEL_RATIO ** (2 * (i + 1))
            row.append(row[i] + (row[i] - old) / (factor - 1))
            estimate = np.maximum(np.abs(row[i + 1] - row[i]), np.abs(row[i + 1] - old)) + noise
            better = estimate < error  # False for NaN
            best, error = np.where(better, row[i + 1], best), np.where(better, estimate, error)
        # Large steps may agree by chance where f oscillates between them: the smaller ones find another value.
        apart = np.min([np.abs(found - best) for found in row], axis=0) - 4 * noise
        error = np.where(apart > error, apart, error)  # False for NaN
        gap = np.abs((above - middle) / up[:, None] - (below - middle) / down[:, None])
        kinks = (gap > 20 * noise) & (gap > 0.5 * previous_gap) & np.isfinite(gap)
        precise = np.all(error <= np.maximum(1e-10 * np.abs(best), 4 * noise))
        previous, previous_gap = row, gap
        if level + 1 >= LEAST_LEVELS and precise and not kinks.any():
            break
    return RichardsonResult(best.T.copy(), error.T.copy(), kinks.T.copy())
