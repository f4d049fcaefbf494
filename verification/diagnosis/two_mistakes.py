"""Two mistakes at once: a wrong form or a constant factor beside one of the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from jacobians.numerics.arrays import Array
from verification.causes import Slip
from verification.diagnosis.constant_factors import Factors, ratio
from verification.diagnosis.layouts import Form
from verification.diagnosis.mistakes import Mistake

ALONE = ("sign", "factor", "zero")
"""Mistakes that are tried as factors beside the others."""


def two_mistakes(
    found: Array,
    right: Array,
    guesses: Iterable[Mistake],
    forms: Iterable[Form],
    factors: Factors,
    weights: Array,
    tolerance: float,
) -> Iterator[Mistake]:
    """Yield the pairs that predict the candidate: form and mistake, form and factor, mistake and factor.

    Parameters
    ----------
    found : numpy.ndarray
        The candidate, in any shape.
    right : numpy.ndarray, shape (m, n)
        What it should be.
    guesses : iterable of Mistake
        What single mistakes would give.
    forms : iterable of Form
        The candidate, taken out of the forms that it may have.
    factors : Factors
        Those that are known by name; the sign is one more.
    weights : numpy.ndarray, shape (m, 1)
        By which rows count alike.
    tolerance : float
        How much of a prediction may be left over.
    """
    bases = [
        guess
        for guess in guesses
        if guess.name not in ALONE and guess.matrix.shape == right.shape and np.isfinite(guess.matrix).all()
    ]
    limit = np.inf if found.shape != right.shape else float(np.linalg.norm(weights * (found - right)))

    def fits(matrix: Array, prediction: Array) -> bool:
        size = min(limit, float(np.linalg.norm(weights * prediction)))
        return size > 0 and float(np.linalg.norm(weights * (matrix - prediction))) <= tolerance * size

    def factor_between(matrix: Array, base: Array) -> tuple[str, str] | None:
        """Return the name and the sentence of the factor, if it is a known one."""
        measured = ratio(matrix, base)
        known = (-1.0, "the sign is wrong") if abs(measured + 1) < tolerance else factors.like(measured)
        if known is None or not fits(matrix, known[0] * base):
            return None
        if known[0] == -1:
            return Slip.SIGN, known[1]
        return Slip.FACTOR, f"a constant factor is wrong, {known[1]}"

    for form in forms:
        if form.matrix.shape == found.shape and fits(form.matrix, found):
            continue  # taking it out of this form changes nothing
        for base in bases:
            if base.name != form.name and fits(form.matrix, base.matrix):
                yield _both(form, base.name, base.sentence, found)
        factor = factor_between(form.matrix, right)
        if factor is not None:
            yield _both(form, *factor, found)
    if found.shape == right.shape:
        for base in bases:
            factor = factor_between(found, base.matrix)
            if factor is not None:
                yield _both(base, *factor, found)


def _both(first: Form | Mistake, name: str, sentence: str, found: Array) -> Mistake:
    said = first.sentence.removeprefix("two mistakes: ")
    one, two = (text.partition(": ")[0] for text in (said, sentence))
    return Mistake(f"{first.name}+{name}", f"two mistakes: {one}, and {two}", found)
