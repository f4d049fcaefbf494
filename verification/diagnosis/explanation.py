"""A candidate explained by the graph of the code: what is compared, along which directions, and what is tried last."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from jacobians.numerics.arrays import Array
from verification.causes import Slip
from verification.diagnosis.answers import before_the_sum, of_another_sum
from verification.diagnosis.constants import broadcast
from verification.diagnosis.graph_search import FITS, Fit, Search, Target
from verification.diagnosis.recomputed import MOST_CALLS, recomputed, updated_everywhere
from verification.diagnosis.tape import Tape
from verification.diagnosis.values import LEAST

ROWS = 3
"""Random combinations of the outputs that are compared; all outputs if there are no more."""
MOST_ENTRIES = 1024
"""Entries of x above which answers are compared along so many directions: random numbers, one for each entry."""
DIRECTIONS = 24
LARGE = 2**17
FEW_DIRECTIONS = 6
"""The directions of more entries than that, where each is a pass over memory."""
LITTLE = (Slip.REGULARISATION, Slip.MISSING_PATH, Slip.MISSING_FACTOR, Slip.FACTOR, Slip.SIGN)
"""What may be wrong where a candidate differs by little: a term of small weight; others could be rounding."""
LARGEST_HESSIAN = 40
"""The entries of x up to which a candidate is compared with the Hessian."""


def factors_of(tape: Tape) -> dict[float, str]:
    """Return the factors that a mistake may have: −1, 2, ½, and the lengths of axes and their inverses."""
    names = {-1.0: "−1", 2.0: "2", 0.5: "½"}
    lengths = {n for value in tape.values if value is not None for n in np.shape(value) if n > 1}
    for n in sorted(lengths):
        names.setdefault(float(n), f"{n}")
        names.setdefault(1 / n, f"1/{n}")
    return names


def explain(
    make: Callable[[Array], Tape],
    x: Array,
    right: Array,
    targets: Iterable[tuple[float, str, str, Array]],
    found: Array,
    small: bool = False,
) -> list[Fit]:
    """Return the mistakes in the derivative of plain code that give a candidate, the simplest first.

    Parameters
    ----------
    make : callable
        Returns the tape at a point.
    x : numpy.ndarray
        The point.
    right : numpy.ndarray, shape (m, n)
        The Jacobian.
    targets : iterable of (cost, name, sentence, matrix)
        The candidate, and what it is without a form; (m, n) each.
    found : numpy.ndarray
        The candidate in its own shape.
    small : bool
        Whether it differs by little, so that only what gives just that is a mistake.
    """
    try:
        tape = make(x)
    except Exception:  # code that can't be followed: there are no hypotheses
        return []
    m = len(right)
    scale = np.abs(right).max(axis=1)
    weights = 1 / np.where(scale > 0, scale, scale.max() or 1.0)
    rows = np.diag(weights) if m <= ROWS else np.random.default_rng(0).normal(size=(ROWS, m)) * weights
    if x.size > MOST_ENTRIES:
        count = DIRECTIONS if x.size <= LARGE else FEW_DIRECTIONS
        tape.look_along(np.random.default_rng(1).normal(size=(x.size, count)))
    known = [Target(cost, name, said, tape.along(rows @ matrix)) for cost, name, said, matrix in targets]
    search = Search(tape, rows @ right, rows, known, factors_of(tape))
    if not search.agrees():
        return []
    search.run()
    if not search.fits and not small and len(tape.calls) <= MOST_CALLS:
        recomputed(search)
        updated_everywhere(search)
    if m == 1 and not small:
        plain = tape.adjoints(np.ones((1, 1)))
        search.fits += [Fit(*one) for one in before_the_sum(found, tape, plain)]
        if found.size == x.size > 1:
            search.fits += [Fit(*one) for one in of_another_sum(found, right.reshape(x.shape), tape)]
        if not any(fit.cost < LEAST for fit in search.fits):
            search.fits += [Fit(*one) for one in broadcast(tape, found)]
        if x.size == 1 == found.size and not search.fits:
            search.fits += _of_one_number(float(found.reshape(-1)[0]), float(right[0, 0]), tape)
        one_axis = x.ndim == 1 and 1 < x.size <= LARGEST_HESSIAN and found.shape == (x.size, x.size)
        if one_axis and _is_hessian(make, x, found):
            search.fits.append(Fit(0.9, Slip.HESSIAN, "it is the Hessian, expected the gradient"))
    return [fit for fit in search.fits if not small or fit.name in LITTLE]


def _of_one_number(found: float, right: float, tape: Tape) -> list[Fit]:
    """Return what the ratio or the difference of two numbers says, where the code has that number."""
    theta = float(np.ravel(tape.values[0])[0])
    lengths = {n: said for n, said in factors_of(tape).items() if n > 0 and n not in (0.5, 2.0)}
    for value, said in lengths.items():
        if math.isclose(found, value * right, rel_tol=1e-6):
            return [Fit(1.5, Slip.FACTOR, f"a constant factor is wrong: the candidate is {said}·J")]
    numbers = {abs(float(one)) for call in tape.calls.values() for one in call.args if np.ndim(one) == 0}
    for number in sorted(numbers - {0.0, 1.0, 2.0}):
        for times in (1, 2, 0.5):
            for sign, said in ((1, "is there that should not be"), (-1, "is missing")):
                if math.isclose(found - right, sign * times * number * theta, rel_tol=1e-6):
                    name = tape.names[0]
                    text = f"regularisation: {times * number:.6g} times {name} {said}"
                    return [Fit(1.5, Slip.REGULARISATION, text)]
    return []


def _is_hessian(make: Callable[[Array], Tape], x: Array, found: Array) -> bool:
    step = 1e-5 * np.maximum(1, np.abs(x))
    try:
        rows = []
        for unit in np.diag(step):
            up, down = (make(point).adjoints(np.ones((1, 1)))[0][0] for point in (x + unit, x - unit))
            rows.append((up - down) / (2 * unit.sum()))
    except Exception:  # the code's own, beside x
        return False
    return float(np.linalg.norm(np.array(rows) - found)) <= FITS * float(np.linalg.norm(found))
