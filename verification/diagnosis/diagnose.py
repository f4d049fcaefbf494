"""What is wrong with a wrong Jacobian: the mistake that explains the candidate, with the evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from jacobians.function import INPUT
from jacobians.numerics.arguments import checked_integer, checked_shape, shown
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors
from verification.causes import Slip
from verification.diagnosis.constant_factors import Factors, ratio
from verification.diagnosis.layouts import Shape, forms
from verification.diagnosis.mistakes import Mistake, mistakes
from verification.diagnosis.two_mistakes import two_mistakes

EXPLAINED = 1e-4  # a mistake fits if what it leaves unexplained is this part of the deviation
SAME = 1e-6  # relative: nothing to explain
STEP_ERRORS = (1e-12, 2e-3)  # relative deviations that differences with a bad step have
SHOWN = 2  # of the other mistakes that fit, in the text


@dataclass(frozen=True)
class Diagnosis:
    """The most likely mistake.

    Attributes
    ----------
    name : str
        "sign", "factor", "transposed", "vec-order", "missing-derivative", …; "unknown" if none fits, "right" if
        there is nothing to explain.
    sentence : str
        The mistake in one sentence.
    evidence : str
        By how much the candidate differs, and what of it the mistake leaves unexplained.
    others : tuple of str
        Sentences of other mistakes that fit as well, the likelier first.
    """

    name: str
    sentence: str
    evidence: str
    others: tuple[str, ...] = ()

    @property
    def causes(self) -> tuple[Slip, ...]:
        """The slips that the name stands for: one, or two that were made at once."""
        return tuple(map(Slip, self.name.split("+")))

    def __str__(self) -> str:
        more = [f"{len(self.others) - SHOWN} more"] if len(self.others) > SHOWN else []
        also = f"; also fits: {'; '.join([*self.others[:SHOWN], *more])}" if self.others else ""
        evidence = f" ({self.evidence})" if self.evidence else ""
        return f"{self.sentence}{evidence}{also}"


@without_float_errors
def diagnose(
    candidate: Any,
    expected: Any,
    *,
    f: Any = None,
    x: Any = None,
    wrt: str = INPUT,
    out_shape: Shape | None = None,
    in_shape: Shape | None = None,
    batch_size: int | None = None,
) -> Diagnosis:
    """Return the mistake that explains a wrong Jacobian or gradient best.

    Each known mistake predicts a matrix; those that predict the candidate are ranked, simple ones first. With f and
    x the mistakes of the chain rule are tried too: φ for φ′, φ′ at the wrong place or missing, factors transposed,
    swapped or left out, the rank-one term of softmax, another layer's gradient.

    Parameters
    ----------
    candidate, expected : array_like
        Jacobians of shape (m, n), numerator layout and row-major vec; or gradients in the parameter's shape.
    f : Function or callable, optional
        What was differentiated; a Sequential tells most.
    x : array_like, optional
        Where.
    wrt : str
        By what: "input", or the name of a parameter.
    out_shape, in_shape : tuple of int, optional
        Of f(x) and of x or the parameter; found from f and x if these are given.
    batch_size : int, optional
        A factor to be recognised.

    Returns
    -------
    Diagnosis
        Its name is "unknown" where no known mistake fits.

    Raises
    ------
    TypeError, ValueError
        If an array is refused, `expected` is not finite, a shape isn't that of `expected`, or `batch_size` is no
        integer of at least 1.

    Examples
    --------
    >>> J = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> print(diagnose(-J, J))
    the sign is wrong: the candidate is −J (deviation 2.0 relative to J, 0.0e+00 of it unexplained)
    >>> diagnose(J.T, J).name, diagnose(J / 2, J).sentence
    ('transposed', 'a constant factor is wrong: the candidate is ½·J')
    """
    found, right = real_array(candidate, "candidate"), real_array(expected, "expected")
    if not np.isfinite(right).all():
        raise ValueError("expected: found values that are not finite, expected the right answer")
    if batch_size is not None:
        batch_size = checked_integer(batch_size, "batch_size")
    if not isinstance(wrt, str):
        raise TypeError(
            f"wrt: found {shown(wrt)}, expected {INPUT!r} or the name of a parameter of a Function"
        )
    out_shape = None if out_shape is None else checked_shape(out_shape, "out_shape")
    in_shape = None if in_shape is None else checked_shape(in_shape, "in_shape")
    out_shape, in_shape = _shapes(right, f, x, wrt, out_shape, in_shape)
    right = right.reshape(math.prod(out_shape), math.prod(in_shape)).astype(np.float64)
    found = _as_matrix(found, right, in_shape).astype(np.float64)
    if not np.isfinite(found).all():
        count = int((~np.isfinite(found)).sum())
        return Diagnosis("not-finite", "the candidate is not finite", f"in {count} of {found.size} entries")
    with np.errstate(all="ignore"):  # products of wrong factors may overflow
        return _diagnose(
            found, right, f, None if x is None else real_array(x, "x"), wrt, out_shape, in_shape, batch_size
        )


def _diagnose(
    found: Array,
    right: Array,
    f: Any,
    point: Array | None,
    wrt: str,
    out_shape: Shape,
    in_shape: Shape,
    batch_size: int | None,
) -> Diagnosis:
    same = found.shape == right.shape
    weights = _weights(right)
    size = float(np.linalg.norm(weights * right))
    deviation = float(np.linalg.norm(weights * (found - right))) if same else size
    if same and deviation <= SAME * size:
        return Diagnosis("right", "nothing is wrong: the candidate equals the expected answer", "")
    factors = Factors.of(math.prod(out_shape), math.prod(in_shape), batch_size)
    guesses = _factor(found, right, factors) if same else []
    guesses += mistakes(right, f, point, wrt, out_shape, in_shape)
    fitting = [(guess, _left_over(guess, found, weights, deviation)) for guess in guesses]
    fitting = [(guess, left) for guess, left in fitting if left <= EXPLAINED]
    taken_back = list(forms(found, out_shape, in_shape))
    if not fitting and same:
        fitting = [(guess, 0.0) for guess in (*_places(found, right), *_any_factor(found, right))]
    elif not fitting:
        mended = [
            (Mistake(*form), _left_over(Mistake(*form), right, weights, deviation)) for form in taken_back
        ]
        fitting = [(form, left) for form, left in mended if left <= EXPLAINED]
    if not fitting:
        pairs = two_mistakes(found, right, guesses, taken_back, factors, weights, EXPLAINED)
        fitting = [(guess, 0.0) for guess in pairs]
    relative = deviation / size if size else math.inf
    if same:
        if not fitting:
            return _unknown(found, right, relative)
        amount = f"{relative:.1f}" if relative.is_integer() else f"{relative:.2g}"
        by = f"deviation {amount} relative to J" if size else "J is 0"
        evidence = f"{by}, {fitting[0][1]:.1e} of it unexplained"
    else:
        evidence = f"found shape {found.shape}, expected {right.shape}"
        if not fitting:
            return Diagnosis(Slip.SHAPE, "the shape is wrong", evidence)
    (first, _), *others = fitting
    also = dict.fromkeys(guess.sentence for guess, _ in others if guess.sentence != first.sentence)
    return Diagnosis(first.name, first.sentence, evidence, tuple(also))


def _shapes(
    right: Array, f: Any, x: Any, wrt: str, out_shape: Shape | None, in_shape: Shape | None
) -> tuple[Shape, Shape]:
    """Return the shapes of output and input: as given, as f and x say, or those of a bare matrix or gradient."""
    if f is not None and x is not None and (out_shape is None or in_shape is None):
        from verification.problem import Problem

        problem = Problem(f, x, wrt)
        if math.prod(problem.shape) == right.size:
            return out_shape or problem.value.shape, in_shape or problem.point.shape
    default: tuple[Shape, Shape] = ((), right.shape)
    if right.ndim == 2 and in_shape != right.shape:
        default = right.shape[:1], right.shape[1:]
    chosen = (default[0] if out_shape is None else out_shape), (default[1] if in_shape is None else in_shape)
    if math.prod(chosen[0]) * math.prod(chosen[1]) != right.size:
        raise ValueError(
            f"out_shape, in_shape: found {chosen[0]} and {chosen[1]}, expected the shapes of output and input of a "
            f"Jacobian of {right.size} entries, which `expected` of shape {right.shape} has"
        )
    return chosen


def _as_matrix(found: Array, right: Array, in_shape: Shape) -> Array:
    """Return the candidate as a matrix: a gradient in the parameter's shape, or in its transpose's, as a row."""
    if found.shape == right.shape or len(right) != 1:
        return found
    if len(in_shape) == 2 and found.shape == (in_shape[0], in_shape[1] - 1):
        return found.reshape(1, -1)  # without a column of its own for the bias
    if found.size != right.size:
        return found
    if found.shape == in_shape:
        return found.reshape(right.shape)
    if found.shape == in_shape[::-1] and found.ndim == 2 and 1 not in found.shape:
        return found.reshape(right.shape)  # its entries are those of the transpose, one after the other
    return found


def _weights(right: Array) -> Array:
    """Return a weight for each row, so that outputs of different size count alike."""
    rows = np.abs(right).max(axis=1, keepdims=True)
    largest = float(rows.max())
    return 1 / np.where(rows > 0, rows, largest if largest > 0 else 1.0)


def _left_over(guess: Mistake, found: Array, weights: Array, deviation: float) -> float:
    if guess.matrix.shape != found.shape or not np.isfinite(guess.matrix).all():
        return math.inf
    if len(found) != len(weights):  # other rows, as those of a transpose
        weights, deviation = (
            _weights(guess.matrix),
            float(np.linalg.norm(_weights(guess.matrix) * guess.matrix)),
        )
    return float(np.linalg.norm(weights * (found - guess.matrix))) / (deviation or 1.0)


# --- hypotheses that are read off the candidate ----------------------------------------------------------


def _factor(found: Array, right: Array, factors: Factors) -> list[Mistake]:
    """Return the constant factor, if it is one that has a reason."""
    measured = ratio(found, right)
    if math.isclose(measured, 0, abs_tol=1e-9):
        return [Mistake("zero", "a constant factor is wrong: the candidate is zero", 0 * right)]
    known = factors.like(measured)
    if known is None:
        return []
    value, name = known
    sentence = f"a constant factor is wrong: the candidate is {name.partition(',')[0].partition(' ')[0]}·J"
    if "," in name or "(" in name:
        sentence += f", with {name}"
    return [Mistake("factor", sentence, value * right)]


def _any_factor(found: Array, right: Array) -> list[Mistake]:
    value = ratio(found, right)
    if right.size > 1 and np.linalg.norm(found - value * right) <= EXPLAINED * np.linalg.norm(found - right):
        return [
            Mistake("factor", f"a constant factor is wrong: the candidate is {value:.6g}·J", value * right)
        ]
    return []


def _places(found: Array, right: Array) -> list[Mistake]:
    """Return where the candidate is wrong, if that is one entry, row or column of several."""
    weights = _weights(right)
    wrong = weights * np.abs(found - right) > 1e-5 * np.maximum(weights * np.abs(right), 1e-3)
    if not wrong.any():
        return []
    rows, columns = np.flatnonzero(wrong.any(axis=1)), np.flatnonzero(wrong.any(axis=0))
    m, n = right.shape
    low, high = STEP_ERRORS
    deviation = np.linalg.norm(found - right) / max(float(np.linalg.norm(right)), np.finfo(float).tiny)
    if low < deviation < high and np.count_nonzero(right) > 1:
        off = np.abs(found - right)[right != 0] / np.abs(right)[right != 0]
        if off.min() > 1e-4 * off.max() and not np.any(found[right == 0]):
            return []  # all of J that isn't 0 is off by little, as in the Jacobian of a layer with one live unit
    if len(rows) == len(columns) == 1 and m * n > 1:
        i, j = int(rows[0]), int(columns[0])
        sentence = f"a single entry is wrong, [{i}, {j}]: found {found[i, j]:.6g}, expected {right[i, j]:.6g}"
        return [Mistake("entry", sentence, found)]
    if len(rows) == 1 and m > 1:
        return [Mistake("row", f"a single row is wrong, that of output {int(rows[0])}", found)]
    if len(columns) == 1 and n > 1:
        return [Mistake("column", f"a single column is wrong, that of input {int(columns[0])}", found)]
    return []


def _unknown(found: Array, right: Array, relative: float) -> Diagnosis:
    low, high = STEP_ERRORS
    if low < relative < high:
        return Diagnosis(
            "noise",
            "the deviation has the size of a step error: differences with a step too large or too small, or float32",
            f"deviation {relative:.1e} relative to J, without a pattern",
        )
    i, j = (int(k) for k in np.unravel_index(int(np.argmax(np.abs(found - right))), right.shape))
    return Diagnosis(
        "unknown",
        "no known mistake fits",
        f"{f'deviation {relative:.2g} relative to J' if right.any() else 'J is 0'}, largest at [{i}, {j}]: "
        f"found {found[i, j]:.6g}, expected {right[i, j]:.6g}",
    )
