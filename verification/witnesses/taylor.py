"""The Taylor test: ‖f(x + h v) − f(x) − h J v‖ falls as h² when J is right and as h when it is wrong."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np

from jacobians.equality import by_value
from jacobians.function import INPUT
from jacobians.numerics.arguments import checked_integer
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.structures import Jacobian
from verification.causes import Cause
from verification.problem import Problem

STEPS = 2.0 ** -np.array([2.0, 3, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26])
FITTED = 4  # smallest steps above the noise: a small error of J shows last
RIGHT_ORDER, WRONG_ORDER = 1.8, 1.2
TURN = (
    0.5  # from 1: where a remainder of order 1 turns its sign, the slopes from step to step are further off
)
CONSTANT_ORDER = 0.7  # below it the remainder doesn't fall with h as an error of J does: rounding, or a jump
POWER = 1e-3  # of h ‖J v‖: where the rounding hides more than that, remainders within it say nothing
FAINT = 1e-5  # of the largest entry of a row: smaller ones are told apart as if they were of this size
ABOVE = 16.0  # times the noise: a remainder that can be told from it
LEAST_SIZE = 1e-3  # entries that are smaller are moved as far as one of this size
LARGE = 2.0**20  # of entries above it the steps are relative: 1 is lost in their rounding, or nearly
TOO_LARGE = 2.0**36  # of entries above it steps of the size 1 are too few numbers of the machine for an order
LOST = 0.02  # of a step, in the rounding of x: no order is read off by then
MOST_LINES = 64  # of a test: up to as many entries of x are moved one by one, more of them in groups

Verdict = Literal["right", "wrong", "undecided"]
VERDICTS: tuple[Verdict, ...] = ("wrong", "undecided", "right")
WRONG, UNDECIDED, RIGHT = range(3)


@by_value
class TaylorResult(NamedTuple):
    """The remainders along the line that decides, and the order at which they fall.

    Attributes
    ----------
    order : float
        The slope of log remainder over log h at the smallest steps above rounding; infinite if the remainder is
        rounding at every step, as for a linear function; NaN if too few are above it.
    verdict : {"right", "wrong", "undecided"}
        Order 2 (or more) is right, 1 is wrong; between them, below 0.7 (rounding does not fall with h), and with too
        few steps above rounding, undecided; so is what is wrong along all entries and right along the tiny ones alone:
        f may be smooth on no more than their own size. None is "right" where more than 1e-3 of an entry could stay
        unseen.
    steps, remainders : numpy.ndarray, shape (k,)
        All of them, the steps in falling order.
    fitted : numpy.ndarray of bool, shape (k,)
        Which the slope was fitted to.
    cause : Cause
        AGREES, DIFFERS, IMPRECISE (rounding hides too much), UNEXPLAINED (of another order), NOT_FINITE.
    unseen : float
        The power: the error of an entry that could stay unseen, as a part of it, or of 1e-3 of the largest entry in
        its row if that is larger; infinite where no step changes f and J v is 0. NaN of a single line.
    """

    order: float
    verdict: Verdict
    steps: Array
    remainders: Array
    fitted: Array
    cause: Cause = Cause.IMPRECISE
    unseen: float = float("nan")

    def __bool__(self) -> bool:
        return self.verdict == "right"

    @property
    def passed(self) -> bool:
        """Whether the verdict is "right"; also the truth value of the result."""
        return self.verdict == "right"

    def __str__(self) -> str:
        if self.cause == Cause.NOT_FINITE:
            said = "the remainders are not finite"
        elif np.isnan(self.order):
            said = "too few remainders are finite and above rounding"
        elif np.isinf(self.order):
            said = "the remainder is rounding at every step"
        else:
            used = self.steps[self.fitted]
            said = (
                f"the remainder falls with order {self.order:.2f}, "
                f"fitted to {len(used)} steps from {used[0]:.1e} to {used[-1]:.1e}"
            )
        if np.isinf(self.unseen) and self.cause != Cause.NOT_FINITE:
            said += "; no step changes f by more than its rounding: no error of J could be seen"
        elif np.isfinite(self.unseen) and self.verdict != "wrong":
            said += f"; an error of an entry above {self.unseen:.1e} of it would have shown"
        return f"{self.verdict}: {said}"


@without_float_errors
def taylor_test(f: Any, x: Any, jacobian: Any, wrt: str = INPUT, *, seed: int = 0) -> TaylorResult:
    """Return how fast f(x + h v) − f(x) − h J v falls with h, along every entry of x and along all of them.

    Up to 64 entries are moved one by one, more of them in 64 random groups, so that an error in one entry of J isn't
    hidden by what f bends along the others; each output is judged by itself.

    Parameters
    ----------
    f : Function or callable
        From one array to one array.
    x : array_like
        The point.
    jacobian : Jacobian or array_like, shape (m, n)
        The candidate J: numerator layout, row-major vec.
    wrt : str
        "input", or the name of a parameter of a Function.
    seed : int
        For the directions.

    Returns
    -------
    TaylorResult
        Of the line that decides: one that is wrong, or that says least.

    Raises
    ------
    TypeError, ValueError
        If J is not m×n, or no array of real numbers.

    Examples
    --------
    >>> x = np.array([0.5, 1.0])
    >>> right = taylor_test(np.exp, x, np.diag(np.exp(x)))
    >>> wrong = taylor_test(np.exp, x, np.diag(x))
    >>> right.verdict, round(right.order, 1), wrong.verdict, round(wrong.order, 1)
    ('right', 2.0, 'wrong', 1.0)
    >>> right.unseen < 1e-4
    True
    """
    seed = checked_integer(seed, "seed", least=0, most=None)
    problem = Problem(f, x, wrt, dtype=np.float64)
    matrix = jacobian if isinstance(jacobian, Jacobian) else real_array(jacobian, "jacobian")
    if matrix.shape != problem.shape:
        raise ValueError(f"jacobian: found shape {matrix.shape}, expected {problem.shape}")
    dtype = real_array(x, "x").dtype
    whole = remainder(problem, matrix, seed, dtype)
    if whole.verdict == "wrong" or 0 in problem.shape:
        return whole
    lines = [_judged(problem, matrix, line, (dtype,), each=True) for line in _groups(problem.shape[1], seed)]
    # entries of one row in the units of their steps
    found = _Lines(*(np.stack(part, axis=-1) for part in zip(*lines, strict=True)))
    largest = np.maximum(found.terms, FAINT * found.terms.max(axis=1, keepdims=True))
    with np.errstate(all="ignore"):
        hidden = np.where(found.bound > 0, found.bound / largest, 0)
    hidden = np.where(np.isnan(hidden), np.inf, hidden)
    unseen = float(hidden.max())
    for code in (WRONG, UNDECIDED):
        if (found.verdict == code).any():
            place = np.unravel_index(int(np.argmax(found.verdict == code)), found.verdict.shape)
            return found.result(tuple(place))._replace(unseen=unseen)
    if unseen > POWER:
        place = np.unravel_index(int(np.argmax(hidden)), hidden.shape)
        result = found.result(tuple(place))
        return result._replace(verdict="undecided", cause=Cause.IMPRECISE, unseen=unseen)
    return whole._replace(verdict="right", cause=Cause.AGREES, unseen=unseen)


def _groups(n: int, seed: int) -> Array:
    """Return lines that move each of n entries once: shape (lines, n), signs and sizes at random, else 0."""
    random = np.random.default_rng([seed, 1])
    sizes = random.choice([-1.0, 1.0], size=n) * random.uniform(0.5, 1.5, size=n)
    place = random.permutation(n) % MOST_LINES if n > MOST_LINES else np.arange(n)
    return np.where(place == np.arange(min(n, MOST_LINES))[:, None], sizes, 0)


def remainder(problem: Problem, matrix: Any, seed: int, *dtypes: Any) -> TaylorResult:
    """Return the Taylor test of a problem along one random direction of all entries, of all outputs together.

    Parameters
    ----------
    problem : Problem
    matrix : Jacobian or numpy.ndarray
    seed : int
    *dtypes : numpy dtype
        What J was computed in, besides its own dtype and those of the point and the value: the least precise counts.
    """
    direction = np.random.default_rng(seed).normal(size=problem.shape[1])
    return _judged(problem, matrix, direction, dtypes, each=False).result((0,))


class _Lines(NamedTuple):
    """What was seen along lines: an entry, along the last axis, for all outputs together or for each.

    Attributes
    ----------
    verdict : numpy.ndarray of int
        WRONG, UNDECIDED or RIGHT.
    order, bound, terms : numpy.ndarray
        The order; the error of J v that rounding and curvature leave unseen; the size of the terms of J v.
    remainders, fitted : numpy.ndarray
        The same with the steps along a first axis.
    """

    verdict: Array
    order: Array
    bound: Array
    terms: Array
    remainders: Array
    fitted: Array

    def where(self, mask: Array, other: _Lines) -> _Lines:
        """Return these, and the other ones where the mask is true."""
        return _Lines(*(np.where(mask, two, one) for one, two in zip(self, other, strict=True)))

    def result(self, place: tuple[Any, ...]) -> TaylorResult:
        """Return one of them."""
        remainders, fitted = (part[:, *place] for part in (self.remainders, self.fitted))
        order, verdict = float(self.order[place]), int(self.verdict[place])
        if verdict != UNDECIDED:
            cause = Cause.AGREES if verdict == RIGHT else Cause.DIFFERS
        elif not np.isfinite(remainders).any():
            cause = Cause.NOT_FINITE
        else:
            cause = Cause.UNEXPLAINED if np.isfinite(order) else Cause.IMPRECISE
        return TaylorResult(order, VERDICTS[verdict], STEPS, remainders, fitted, cause)


def _judged(problem: Problem, matrix: Any, line: Array, dtypes: Any, each: bool) -> _Lines:
    """Return what is seen along a line that is given in units of the entries of x."""
    x = problem.point.reshape(-1).astype(np.float64)
    result = _along(problem, matrix, line * _sizes(x), dtypes, each)
    far = (line != 0) & (np.abs(x) > LARGE) & (np.abs(x) < TOO_LARGE)
    if far.any() and (result.verdict != RIGHT).any():
        # f may bend within steps in proportion to such an entry, as sin does: those of the size 1 are asked
        near = _along(problem, matrix, line * np.where(far, 1, _sizes(x)), dtypes, each)
        result = result.where((result.verdict != RIGHT) & (near.verdict != UNDECIDED), near)
    if ((line != 0) & (np.abs(x) >= TOO_LARGE)).any():
        # and where the machine has too few numbers for those, nobody knows how f bends between two of them
        result = result._replace(verdict=np.maximum(result.verdict, UNDECIDED))
    faint = (line != 0) & (x != 0) & (np.abs(x) < LEAST_SIZE)
    wrong = result.verdict == WRONG
    if not (wrong.any() and faint.any()):
        return result
    # steps that are larger than such an entry may be larger than what f is smooth on, as log is: its own are asked
    beside = _along(problem, matrix, np.where(faint, line * np.abs(x), 0), dtypes, each)
    return result._replace(verdict=np.where(wrong & (beside.verdict == RIGHT), UNDECIDED, result.verdict))


def _along(problem: Problem, matrix: Any, direction: Array, dtypes: Any, each: bool) -> _Lines:
    """Return what is seen along one direction, in the units of the point."""
    m = problem.shape[0]
    x = problem.point.reshape(-1).astype(np.float64)
    known = [problem.point.dtype, problem.value.dtype, matrix.dtype, *dtypes]
    eps = np.maximum(problem.eps, max(float(np.finfo(dtype).eps) for dtype in known))
    subnormal = max(float(np.finfo(dtype).smallest_subnormal) for dtype in known)
    points = (x + STEPS[:, None] * direction).astype(problem.point.dtype)
    moves = points.astype(np.float64) - x  # as they are taken: nothing of them is lost
    value = problem.value.reshape(m).astype(np.float64)
    moved = problem.evaluate_many(points.reshape(-1, *problem.point.shape)).astype(np.float64)
    with np.errstate(all="ignore"):
        if isinstance(matrix, Jacobian):
            slopes = np.stack([matrix.matvec(move.astype(matrix.dtype)) for move in moves]).astype(np.float64)
            terms = np.abs(slopes)
        else:
            slopes = moves @ matrix.T.astype(np.float64)
            terms = np.abs(moves) @ np.abs(matrix.T.astype(np.float64))
        sizes = [np.abs(value), np.abs(moved), terms]
        largest = max((float(np.max(part[np.isfinite(part)], initial=0)) for part in sizes[1:]), default=0.0)
        exponent = -int(np.frexp(max(largest, float(np.max(sizes[0]))))[1]) if largest > 0 else 0
        scaled = [np.ldexp(part, exponent) for part in (moved, value, slopes, terms)]
        changes = np.abs(scaled[0] - scaled[1])
        gaps = np.abs(scaled[0] - scaled[1] - scaled[2])
        rounding = np.maximum(
            eps * np.maximum(np.abs(scaled[0]), np.abs(scaled[1])),
            np.ldexp(problem.noise.reshape(-1), exponent) / 64,
        )
        lengths, lost = scaled[3], float(np.ldexp(subnormal, exponent))
        noise = 64 * (rounding + eps * lengths + lost)
        if not each:
            changes, gaps, rounding, lengths, noise = (
                np.linalg.norm(part, axis=1, keepdims=True)
                for part in (changes, gaps, rounding, lengths, noise)
            )
        # steps that are lost in the rounding of x, or nearly, are none
        asked = STEPS[:, None] * direction
        taken = (np.abs(moves - asked) <= LOST * np.abs(asked)).all(axis=1, keepdims=True)
        finite = np.isfinite(gaps) & np.isfinite(noise) & taken
        steps = STEPS[:, None]
        # what no step moves, and J v neither, is seen exactly if it isn't rounded: as 0 is
        exact = (gaps == 0) & (lengths == 0) & (rounding == 0)
        hidden = np.where(finite, np.where(exact, 0, (gaps + ABOVE * noise) / steps), np.inf)
        hidden = np.maximum(hidden[1:], hidden[:-1]).min(
            axis=0
        )  # of two: an error may hide where curvature cancels it
        size = np.max(np.where(np.isfinite(lengths), lengths / steps, 0), axis=0)
        order, fitted, usable = _orders(gaps, noise, finite)
        quiet = ~usable.any(axis=0) & (finite | ~taken).all(axis=0)
        told = (exact | (noise <= POWER * lengths)).any(
            axis=0
        ) | each  # the power of a whole test is asked later
        order = np.where(quiet, np.where(told, np.inf, np.nan), order)
        verdict = np.full(order.shape, UNDECIDED)
        verdict[order >= RIGHT_ORDER] = RIGHT
        first_order = (order >= CONSTANT_ORDER) & (order <= WRONG_ORDER) & _smooth(changes, noise, fitted)
        if each:  # of many columns one turns its sign at the fitted steps
            first_order &= _steady(gaps, fitted)
        verdict[first_order & ~_gone(gaps, noise, finite, fitted)] = WRONG
        bound, size = np.ldexp(hidden, -exponent), np.ldexp(size, -exponent)
        return _Lines(verdict, order, bound, size, np.ldexp(gaps, -exponent), fitted)


def _orders(gaps: Array, noise: Array, finite: Array) -> tuple[Array, Array, Array]:
    """Return the slope of each column at its smallest steps above the noise, those steps, and all above it."""
    usable = finite & (gaps > ABOVE * noise)
    fitted = usable & (np.cumsum(usable[::-1], axis=0)[::-1] <= FITTED)
    count = fitted.sum(axis=0)
    x = np.where(fitted, np.log(STEPS)[:, None], 0)
    y = np.where(fitted, np.log(np.where(fitted, gaps, 1)), 0)
    x = np.where(fitted, x - x.sum(axis=0) / count, 0)
    order = (x * y).sum(axis=0) / (x * x).sum(axis=0)
    return np.where(count >= 3, order, np.nan), fitted, usable


def _smooth(changes: Array, noise: Array, fitted: Array) -> Array:
    """Say of each column whether f itself falls with the fitted steps, as it doesn't if it repeats itself in them."""
    with np.errstate(all="ignore"):
        slopes = np.diff(np.log(changes), axis=0) / np.diff(np.log(STEPS))[:, None]
    within = changes <= ABOVE * noise
    falls = (slopes >= 1 - TURN) | (within[1:] & within[:-1]) | ~(fitted[1:] & fitted[:-1])
    return np.asarray(falls.all(axis=0))


def _steady(gaps: Array, fitted: Array) -> Array:
    """Say of each column whether it falls alike from step to step: no turn of its sign looks like order 1."""
    with np.errstate(all="ignore"):
        slopes = np.diff(np.log(gaps), axis=0) / np.diff(np.log(STEPS))[:, None]
    between = fitted[1:] & fitted[:-1]
    alike = ~between | (np.abs(slopes - 1) <= TURN)
    return np.asarray((between.sum(axis=0) == FITTED - 1) & alike.all(axis=0))


def _gone(gaps: Array, noise: Array, finite: Array, fitted: Array) -> Array:
    """Say of each column whether its remainder is gone below the fitted steps, where one of order 1 would be seen."""
    last = fitted & (np.cumsum(fitted[::-1], axis=0)[::-1] == 1)
    slope = np.where(last, gaps / STEPS[:, None], 0).sum(axis=0)
    smaller = np.cumsum(last, axis=0).astype(bool) & ~last
    seen = slope * STEPS[:, None] > 2 * ABOVE * noise
    return np.asarray((smaller & finite & seen & (gaps <= ABOVE * noise)).any(axis=0))


def _sizes(x: Array) -> Array:
    """Return how far each entry is moved: as its own size below 1, and an entry that is 0 as far as the largest."""
    sizes = np.abs(x)
    own = np.where(sizes > LARGE, sizes, np.minimum(1, sizes))
    typical = min(1.0, float(sizes.max())) or 1.0
    return np.asarray(np.where(sizes == 0, typical, np.maximum(LEAST_SIZE, own)))
