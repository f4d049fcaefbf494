"""What is wrong with a wrong Jacobian: the mistake that explains the candidate, with the evidence."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from jacobians.equality import ByValue
from jacobians.function import INPUT, Function
from jacobians.layers.composition import Composition
from jacobians.layers.softmax import Softmax
from jacobians.numerics.arguments import checked_integer, checked_shape, shown
from jacobians.numerics.arrays import Array, real_array
from jacobians.numerics.float_errors import without_float_errors
from verification.causes import Slip
from verification.diagnosis.answers import (
    gradients,
    of_blocks,
    of_missing_entries,
    of_symmetric,
    summed_too_far,
)
from verification.diagnosis.constant_factors import Factors, ratio
from verification.diagnosis.explanation import explain
from verification.diagnosis.graph_search import Fit, ranked
from verification.diagnosis.layers import tape_of_network
from verification.diagnosis.layouts import Shape, forms
from verification.diagnosis.mistakes import Mistake, mistakes
from verification.diagnosis.places import places, row_weights, unexplained
from verification.diagnosis.tape import Tape, tape_of
from verification.diagnosis.two_mistakes import two_mistakes

EXPLAINED = 1e-4  # a mistake fits if what it leaves unexplained is this part of the deviation
SAME = 1e-6  # relative: nothing to explain, unless a mistake in the code gives just that
TINY = 1e-10  # relative: rounding
CERTAIN = 0.6  # the cost of a mistake beside which no other is looked for
UNNAMED = {True: 0.8, False: 1.45}  # the cost of a constant factor that is one of the usual, or any number
NEAR = 1.2  # so much less simple may be what is told beside the simplest
TWO = 2.0  # the cost of what is no simple mistake any more
SHOWN = 2  # of the other mistakes that fit, in the text

COSTS: dict[str, float] = {Slip.SIGN: 0.5, Slip.TRANSPOSED: 0.7, Slip.VEC_ORDER: 0.8}
"""How simple the mistakes are that need no code; the others cost 1.2, in the order in which they are tried."""


@dataclass(frozen=True, eq=False)
class Diagnosis(ByValue):
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

    @property
    def without_values(self) -> str:
        """The sentence without an expected value."""
        return self.sentence.partition(": found ")[0]

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
    the sign is wrong: the candidate is −J (deviation 2.0 relative to J)
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
    shapes = found.shape, right.shape
    right = right.reshape(math.prod(out_shape), math.prod(in_shape)).astype(np.float64)
    raw = found.astype(np.float64)
    raw = raw.reshape(in_shape) if raw.shape == right.shape and len(right) == 1 else raw
    found = _as_matrix(found, right, in_shape).astype(np.float64)
    if not np.isfinite(found).all():
        count = int((~np.isfinite(found)).sum())
        return Diagnosis("not-finite", "the candidate is not finite", f"in {count} of {found.size} entries")
    with np.errstate(all="ignore"):  # products of wrong factors may overflow
        diagnosis = _diagnose(
            raw,
            found,
            right,
            f,
            None if x is None else real_array(x, "x"),
            wrt,
            out_shape,
            in_shape,
            batch_size,
        )
    if diagnosis.name == Slip.RIGHT and shapes[1] == in_shape != shapes[0]:  # a gradient with another axis
        said = f"the shape is {shapes[0]}, expected {in_shape}; the numbers stand in order"
        return Diagnosis(str(Slip.SHAPE), said, "")
    return diagnosis


def _diagnose(
    raw: Array,
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
    weights = row_weights(right)
    size = float(np.linalg.norm(weights * right))
    deviation = float(np.linalg.norm(weights * (found - right))) if same else size
    if same and deviation <= SAME * size:
        small = deviation > TINY * size and point is not None and callable(f)
        tapes = itertools.islice(_tapes(f, point, wrt), 1) if small and point is not None else ()
        fits = ranked(
            fit for make, at in tapes for fit in explain(make, at, right, [(0.0, "", "", found)], raw, small)
        )
        if fits:  # as a regularisation with a small weight
            return _told(fits, f"deviation {deviation / size:.2g} relative to J")
        return Diagnosis("right", "nothing is wrong: the candidate equals the expected answer", "")
    factors = Factors.of(math.prod(out_shape), math.prod(in_shape), batch_size)
    guesses = list(mistakes(right, f, point, wrt, out_shape, in_shape))
    fits = [
        Fit(COSTS.get(guess.name, 1.2), guess.name, guess.sentence)
        for guess in guesses
        if _left_over(guess, found, weights, deviation) <= EXPLAINED
    ]
    scalings = [*_factor(found, right, factors), *_any_factor(found, right)][:1] if same else []
    scalings = [
        guess
        for guess in scalings
        if _left_over(guess, found, weights, deviation) <= EXPLAINED
        and not any(fit.cost < CERTAIN for fit in fits)
    ]
    taken_back = list(forms(found, out_shape, in_shape))
    targets = [(0.0, "", "", found)] if same else []
    targets += [(0.5 if one.name == Slip.SHAPE else 0.3, *one) for one in taken_back]
    if len(right) == 1:
        targets += [
            (cost, name, said, one.reshape(right.shape)) for cost, name, said, one in gradients(raw, in_shape)
        ]
    for cost, name, said, matrix in targets[same:]:
        if size and _left_over(Mistake(name, said, matrix), right, weights, size) <= EXPLAINED:
            fits.append(Fit(cost, name, said))
    fits += [Fit(1.0, *one) for one in _of_shape(raw, right, out_shape, in_shape)]
    fits += [Fit(cost, name, said) for cost, name, said, wrong in of_symmetric(right, in_shape)
             if same and _left_over(Mistake(name, said, wrong), found, weights, deviation) <= EXPLAINED]  # fmt: skip
    if point is not None and callable(f) and not any(fit.cost < CERTAIN for fit in fits):
        for number, (make, at) in enumerate(_tapes(f, point, wrt)):
            if number == 0 or not (fits or scalings):  # the code of layers, where these explain nothing
                fits += explain(make, at, right, targets, raw)
    fits = [fit for fit in ranked(fits) if fit.cost <= min(one.cost for one in fits) + NEAR]
    if scalings and f is not None and batch_size is None:
        scalings = [one._replace(sentence=one.sentence.partition(", with ")[0]) for one in scalings]
    if scalings:
        fits = _with_origin(scalings[0], bool(_factor(found, right, factors)), fits)
    if not fits and same:
        fits = [Fit(1.0, guess.name, guess.sentence) for guess in places(found, right)]
    if not fits:
        guesses += _factor(found, right, factors) if same else []
        pairs = two_mistakes(found, right, guesses, taken_back, factors, weights, EXPLAINED)
        fits = [Fit(3.0, guess.name, guess.sentence) for guess in pairs]
    relative = deviation / size if size else math.inf
    if same:
        if not fits:
            return Diagnosis(
                *unexplained(found, right, relative, raw.shape if len(right) == 1 else found.shape)
            )
        amount = f"{relative:.1f}" if relative.is_integer() else f"{relative:.2g}"
        evidence = f"deviation {amount} relative to J" if size else "J is 0"
    else:
        evidence = f"found shape {raw.shape}, expected {in_shape if len(right) == 1 else right.shape}"
        if not fits:
            return Diagnosis(Slip.SHAPE, "the shape is wrong", evidence)
    return _told(fits, evidence)


def _told(fits: list[Fit], evidence: str) -> Diagnosis:
    first, *others = fits
    return Diagnosis(
        str(first.name), first.sentence, evidence, tuple(dict.fromkeys(one.sentence for one in others))
    )


def _tapes(f: Any, point: Array, wrt: str) -> Iterator[tuple[Callable[[Array], Tape], Array]]:
    """Yield the graphs in which mistakes are looked for, each by its maker and its point: of layers, then of code."""
    if not isinstance(f, Function):
        if wrt == INPUT:
            yield lambda x: tape_of(f, x), point
        return
    at = point if wrt == INPUT else np.asarray(f.parameters[wrt], dtype=float)
    if isinstance(f, Composition | Softmax):
        bound = f if wrt == INPUT else None
        yield (
            (lambda x: tape_of_network(f, x, wrt))
            if bound
            else lambda value: tape_of_network(f.bind({wrt: value}), point, wrt),
            at,
        )
    if wrt == INPUT:
        yield lambda x: tape_of(lambda z: f._forward(z, 0), x), at
    else:
        yield lambda value: tape_of(lambda w: f.bind({wrt: w})._forward(point, 0), value), at


def _of_shape(raw: Array, right: Array, out_shape: Shape, in_shape: Shape) -> list[tuple[str, str]]:
    found = [] if raw.shape == right.shape else [of_blocks(raw, right, out_shape, in_shape)]
    gradient = right.reshape(in_shape) if len(right) == 1 else None
    missing = [] if gradient is None else [*of_missing_entries(raw, gradient), *summed_too_far(raw, gradient)]
    return [one for one in found if one is not None] + missing


def _with_origin(scaling: Mistake, known: bool, fits: list[Fit]) -> list[Fit]:
    """Return the fits behind the bare factor, which is told with the factor of the code that may be the reason."""
    origin = [fit for fit in fits if fit.name in (Slip.FACTOR, Slip.MISSING_FACTOR) and fit.cost <= TWO]
    rest = [fit for fit in fits if fit not in origin]
    plain = Fit(1.0, scaling.name, scaling.sentence)
    if rest and min(fit.cost for fit in rest) < min((fit.cost for fit in origin), default=UNNAMED[known]):
        return [*rest, plain, *origin]
    if scaling.name not in (Slip.FACTOR, Slip.ZERO) or not origin:
        return [plain, *rest]
    said = scaling.sentence.partition(", with ")[0]
    reasons = " or ".join(fit.sentence for fit in origin[:SHOWN])
    return [Fit(1.0, scaling.name, f"{said}, as where {reasons}"), *rest]


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


def _left_over(guess: Mistake, found: Array, weights: Array, deviation: float) -> float:
    if guess.matrix.shape != found.shape or not np.isfinite(guess.matrix).all():
        return math.inf
    if len(found) != len(weights):  # other rows, as those of a transpose
        weights, deviation = (
            row_weights(guess.matrix),
            float(np.linalg.norm(row_weights(guess.matrix) * guess.matrix)),
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
