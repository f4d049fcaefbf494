"""Products with multiples of the identity: specs, costs and code of their rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from jacobians.cost import Count
from jacobians.numerics.ledger import Ledger
from jacobians.numerics.libraries import spread_to
from jacobians.products.core import (
    ANY,
    AS_IT_IS,
    Rewriting,
    Row,
    either,
    multiply,
    points,
    product_cost,
    product_spec,
    rewritten,
)
from jacobians.spec import Spec, broadcast
from jacobians.structures import (
    Diagonal,
    DiagonalPlusLowRank,
    Jacobian,
    Kronecker,
    ScaledIdentity,
    Scatter,
    Selection,
    Toeplitz,
)
from jacobians.structures.scaled_identity import times


def _joint(a: Spec, b: Spec) -> tuple[int, ...]:
    return broadcast(a.batch, b.batch)


def _both(L: ScaledIdentity, R: ScaledIdentity, ledger: Ledger) -> Jacobian:
    sign, other = (L, R) if L.spec.unit else (R, L)
    unit = L.spec.unit and R.spec.unit
    c = times(sign, other.c[..., None], sign.c[..., None], ledger)[..., 0]
    return ScaledIdentity.unchecked(c, L.shape[0], unit=unit)


def _diagonal(S: ScaledIdentity, D: Diagonal, ledger: Ledger) -> Jacobian:
    return Diagonal.unchecked(times(S, D.d, S.c[..., None], ledger))


def _low_rank(S: ScaledIdentity, J: DiagonalPlusLowRank, ledger: Ledger) -> Jacobian:
    d, U = times(S, J.d, S.c[..., None], ledger), times(S, J.U, S.c[..., None, None], ledger)
    return DiagonalPlusLowRank.unchecked(d, U, J.V)


def _of_size(scaled: Spec, n: int) -> Spec:
    return Spec.of("ScaledIdentity", n, n, scaled.batch, unit=scaled.unit)


def _into_first(S: ScaledIdentity, J: Kronecker, ledger: Ledger) -> Jacobian:
    first = ScaledIdentity.unchecked(S.c, J.A.shape[0], unit=S.spec.unit)
    return Kronecker.unchecked(multiply(first, J.A, ledger), J.B)


_DIAGONAL: Rewriting = (
    lambda spec: Spec("Diagonal", spec.shape, spec.batch),  # of arrays of sizes, too
    lambda S: Diagonal.unchecked(S._diagonal()),
)


def _signed(S: ScaledIdentity, J: Selection | Scatter, ledger: Ledger) -> Jacobian:
    """Return ±J for a selection or scatter: a sign is a weight, and no multiplication."""
    c = S.c[..., None]
    if J.weights is None:
        weights = spread_to(c, (*S.spec.batch, J.indices.shape[-1]))
    else:
        weights = times(S, J.weights, c, ledger)
    return J._reweighted(weights)


def _signed_spec(scaled: Spec, choice: Spec) -> Spec:
    return replace(choice, batch=_joint(scaled, choice), weighted=True)


def _numbers(each: Callable[[Spec], int]) -> Callable[[Spec, Spec], Count]:
    """Return the cost of a multiple of so many numbers a point: none for a sign."""

    def cost(scaled: Spec, other: Spec) -> Count:
        return Count(0 if scaled.unit else points(scaled, other) * each(other), 0)

    return cost


def _kernel(S: ScaledIdentity, T: Toeplitz, ledger: Ledger) -> Jacobian:
    return Toeplitz.unchecked(times(S, T.kernel, S.c[..., None], ledger), max(T.shape), full=T.spec.full)


# fmt: off
ROWS = (
    *(
        row
        for choice in ("Selection", "Scatter")
        for row in either(
            "ScaledIdentity", choice, ("±I·S: weights of a sign", "S·±I: weights of a sign"),
            _signed_spec, lambda a, b: Count(0, 0), _signed, lambda a, b: bool(a.unit),
        )
    ),
    *either(
        "ScaledIdentity", "Toeplitz", ("cI·T(k) = T(ck)", "T(k)·cI = T(ck)"),
        lambda a, b: replace(b, batch=_joint(a, b)), _numbers(lambda b: int(b.length)), _kernel,
    ),
    Row(
        "ScaledIdentity", "ScaledIdentity", "aI·bI = abI",
        lambda a, b: Spec.of("ScaledIdentity", *a.shape, _joint(a, b), unit=a.unit and b.unit),
        lambda a, b: Count(0 if a.unit or b.unit else points(a, b), 0),
        _both,
    ),
    *either(
        "ScaledIdentity", "Diagonal", ("cI·diag(d) = diag(cd)", "diag(d)·cI = diag(cd)"),
        lambda a, b: Spec.diagonal(a.shape[0], _joint(a, b)), _numbers(lambda b: b.shape[0]), _diagonal,
    ),
    *either(
        "ScaledIdentity", "DiagonalPlusLowRank",
        ("cI·(diag(d) + UVᵀ) = diag(cd) + (cU)Vᵀ", "(diag(d) + UVᵀ)·cI = diag(cd) + (cU)Vᵀ"),
        lambda a, b: Spec.low_rank(a.shape[0], b.rank, _joint(a, b)),
        _numbers(lambda b: b.shape[0] * (1 + b.rank)), _low_rank,
    ),
    *either(
        "ScaledIdentity", "Kronecker", ("cI·(A ⊗ B) = (cA) ⊗ B", "(A ⊗ B)·cI = (cA) ⊗ B"),
        lambda a, b: Spec.kronecker(product_spec(_of_size(a, b.parts[0].shape[0]), b.parts[0]), b.parts[1]),
        lambda a, b: product_cost(_of_size(a, b.parts[0].shape[0]), b.parts[0]),
        _into_first,
    ),
    rewritten("ScaledIdentity", ANY, "cI·J = diag(c, …, c)·J", _DIAGONAL, AS_IT_IS, lambda a, b: not b.is_dense),
    rewritten(ANY, "ScaledIdentity", "J·cI = J·diag(c, …, c)", AS_IT_IS, _DIAGONAL, lambda a, b: not a.is_dense),
)
# fmt: on
