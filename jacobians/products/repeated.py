"""Products with broadcasting and sums over axes.

Repeating moves entries, as a selection does, and summing is a scatter: beside diagonals and choices they multiply as
these; beside Kronecker products they are one, of ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from jacobians.cost import ZERO_COST
from jacobians.products.core import AS_IT_IS, Rewriting, Row, rewritten
from jacobians.spec import Spec
from jacobians.structures import Identity, Jacobian, Kronecker, Repeat, ScaledIdentity, Scatter, Selection


def _chosen(spec: Spec) -> Spec:
    m, n = spec.shape
    found = Spec.selection(max(m, n), min(m, n), (), weighted=False, repeats=spec.times > 1)
    return found.T if spec.summed else found


def _as_choice(J: Repeat) -> Jacobian:
    k, p, q = J._sizes(J.spec)
    numbers = np.arange(p * q).reshape(p, 1, q)
    indices = np.broadcast_to(numbers, (p, k, q)).reshape(-1)
    kind = Scatter if J.spec.summed and k > 1 else Selection  # of one each it is a permutation
    made = kind.unchecked(indices, p * q, repeats=k > 1, dtype=J.dtype)
    made.home = J.home
    return made


def _factors(spec: Spec) -> tuple[Spec, ...]:
    """Return the specs of the two factors of ones and identity, or none if there are three."""
    k, p, q = Repeat._sizes(spec)
    facts = {"times": k, "behind": 1, "summed": spec.summed}
    ones = Spec.of("Repeat", *((1, k) if spec.summed else (k, 1)), **facts)
    if p == 1:
        return ones, Spec.identity(q)
    return (Spec.identity(p), ones) if q == 1 else ()


def _as_kronecker(J: Repeat) -> Jacobian:
    k, p, q = J._sizes(J.spec)
    ones = Repeat.unchecked(k, 1, 1, dtype=J.dtype, summed=J.spec.summed)
    eye = Identity.unchecked(q if p == 1 else p, dtype=J.dtype)
    ones.home = eye.home = J.home
    return Kronecker.unchecked(ones, eye) if p == 1 else Kronecker.unchecked(eye, ones)


def _meet(left: Sequence[Spec], right: Sequence[Spec]) -> bool:
    return len(left) == len(right) and all(a.shape[1] == b.shape[0] for a, b in zip(left, right, strict=True))


_CHOICE: Rewriting = (_chosen, _as_choice)
_KRONECKER: Rewriting = (lambda spec: Spec.kronecker(*_factors(spec)), _as_kronecker)
_TAKEN = "(I ⊗ 1 ⊗ I)·J: entries taken, or added"
_ONES = "(1 ⊗ I)·(A ⊗ B) = 1A ⊗ B"

ROWS = (
    Row(
        "Repeat",
        "Repeat",
        "(I ⊗ 1 ⊗ I)ᵀ·(I ⊗ 1 ⊗ I) = kI",
        lambda a, b: Spec.of("ScaledIdentity", *(2 * a.shape[:1]), unit=a.times == 1),
        lambda a, b: ZERO_COST,
        lambda L, R, ledger: ScaledIdentity.unchecked(
            L.home.full((), L.spec.times, L.dtype), L.shape[0], unit=L.spec.times == 1
        ),
        lambda a, b: a.summed and b == a.T,
    ),
    rewritten("Repeat", "Kronecker", _ONES, _KRONECKER, AS_IT_IS, lambda a, b: _meet(_factors(a), b.parts)),
    rewritten("Kronecker", "Repeat", _ONES, AS_IT_IS, _KRONECKER, lambda a, b: _meet(a.parts, _factors(b))),
    *(rewritten("Repeat", other, _TAKEN, _CHOICE, AS_IT_IS) for other in ("Diagonal", "Selection")),
    *(rewritten(other, "Repeat", _TAKEN, AS_IT_IS, _CHOICE) for other in ("Diagonal", "Selection")),
    rewritten(
        "Repeat",
        "Repeat",
        "(I ⊗ 1 ⊗ I)·(I ⊗ 1 ⊗ I): a choice of a choice",
        _CHOICE,
        _CHOICE,
        lambda a, b: a.summed == b.summed,
    ),
)
