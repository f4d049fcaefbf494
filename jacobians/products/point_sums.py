"""Products and sums with sums over the points of a batch: Gauss–Newton and Fisher matrices stay what they are.

(Σ_p A_p ⊗ B_p)·(C ⊗ D) = Σ_p A_p C ⊗ B_p D: the terms are multiplied, never expanded. Where a term's product keeps no
structure, rows behind these make the sum dense.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import cast

from jacobians.cost import ZERO_COST, Cost
from jacobians.numerics.arrays import Array
from jacobians.numerics.ledger import Ledger
from jacobians.products import sums
from jacobians.products.blocks import (
    fallback,
    fallback_cost,
    fallback_spec,
    sum_of,
    sum_of_cost,
    sum_of_spec,
    transposed,
    transposed_cost,
    transposed_spec,
)
from jacobians.products.core import ANY, Row, either, multiply, product_cost, product_spec, put
from jacobians.spec import Spec
from jacobians.structures import Jacobian, PointSum, SumOfTerms
from jacobians.structures.point_sum import apart, apart_spec, spread

# --- products --------------------------------------------------------------------------------------------


def _of_terms(terms: Spec, axes: int) -> Spec:
    return Spec.of("PointSum", *terms.shape, terms.batch[: len(terms.batch) - axes], [terms], axes=axes)


def _terms(a: Spec, b: Spec) -> tuple[Spec, Spec]:
    """Return the specs of which each term of (Σ J_p)·K is the product."""
    return a.parts[0], apart_spec(b, 0, a.axes)


def _keeps(a: Spec, b: Spec) -> bool:
    product, axes = product_spec(*_terms(a, b)), a.axes
    return not product.is_dense and product.batch[-axes:] == a.parts[0].batch[-axes:]


def _times(L: PointSum, R: Jacobian, ledger: Ledger) -> Jacobian:
    axes = L.spec.axes
    return PointSum.unchecked(multiply(L.terms, apart(R, 0, axes), ledger), axes=axes)


def _pairs(a: Spec, b: Spec) -> tuple[Spec, Spec]:
    """Return the specs of which each term of (Σ J_p)·(Σ K_q) is the product."""
    return apart_spec(a.parts[0], 0, b.axes), apart_spec(b.parts[0], a.axes, 0)


def _few_pairs(a: Spec, b: Spec) -> bool:
    if a.batch or b.batch:
        return False
    product = product_spec(*_pairs(a, b))
    return not product.is_dense and product.storage <= product.shape[0] * product.shape[1]


def _times_sum(L: PointSum, R: PointSum, ledger: Ledger) -> Jacobian:
    first, second = L.spec.axes, R.spec.axes
    product = multiply(apart(L.terms, 0, second), apart(R.terms, first, 0), ledger)
    return PointSum.unchecked(product, axes=first + second)


# fmt: off
ROWS = (
    Row(
        "SumOfTerms", ANY, "(J₁ + J₂)·K = J₁·K + J₂·K",
        lambda a, b: sum_of_spec(a.parts, [b] * len(a.parts)),
        lambda a, b: sum_of_cost(a.parts, [b] * len(a.parts)),
        lambda L, R, ledger: sum_of(L.blocks, [R] * len(L.blocks), ledger),
    ),
    Row(ANY, "SumOfTerms", "K·(J₁ + J₂) by transposition", transposed_spec, transposed_cost, transposed),
    Row(
        "PointSum", "PointSum", "(Σ J_p)·(Σ K_q) = Σ J_p·K_q of few pairs",
        lambda a, b: _of_terms(product_spec(*_pairs(a, b)), a.axes + b.axes),
        lambda a, b: product_cost(*_pairs(a, b)), _times_sum, _few_pairs,
    ),
    Row(
        "PointSum", "PointSum", "(Σ J_p)·(Σ K_q), one of the two made dense",
        fallback_spec, fallback_cost, fallback,
    ),
    Row(
        "PointSum", ANY, "(Σ J_p)·K = Σ J_p·K",
        lambda a, b: _of_terms(product_spec(*_terms(a, b)), a.axes), lambda a, b: product_cost(*_terms(a, b)),
        _times, _keeps,
    ),
    Row(
        ANY, "PointSum", "K·(Σ J_p) = Σ K·J_p by transposition",
        transposed_spec, transposed_cost, transposed, lambda a, b: _keeps(b.T, a.T),
    ),
)
# fmt: on

# --- sums ------------------------------------------------------------------------------------------------


def _one_list(a: Spec, b: Spec) -> bool:
    """Return whether the terms of both differ in nothing but their number."""
    alike = a.parts[0].with_batch(()) == b.parts[0].with_batch(())
    return alike and not a.batch and not b.batch and a.axes == b.axes == 1


def _listed(a: Spec, b: Spec) -> Spec:
    (first,), (second,) = a.parts[0].batch, b.parts[0].batch
    return _of_terms(a.parts[0].with_batch((first + second,)), 1)


def _list(L: PointSum, R: PointSum, ledger: Ledger) -> Jacobian:
    first, second = spread(L.terms), spread(R.terms)
    batch = (first.spec.batch[0] + second.spec.batch[0],)
    xp = L.home.namespace
    return PointSum.unchecked(
        first.mapped(
            lambda a, b: cast(Array, xp.concat([a, b], axis=0)),
            second,
            spec=first.spec.with_batch(batch),
            batch_shape=batch,
        ),
        axes=1,
    )


def _place(parts: Sequence[Spec], b: Spec) -> int | None:
    """Return which term of a sum takes another in without a change of its structure."""
    found = (place for place, part in enumerate(parts) if sums.sum_spec(part, b).structure == part.structure)
    return next(found, None)


def _with_term(parts: Sequence[Spec], b: Spec) -> list[Spec]:
    place = _place(parts, b)
    if place is None:
        return [*parts, b]
    return [*parts[:place], sums.sum_spec(parts[place], b), *parts[place + 1 :]]


def _with_terms_cost(parts: Sequence[Spec], others: Iterable[Spec]) -> Cost:
    cost = ZERO_COST
    for other in others:
        place = _place(parts, other)
        cost += ZERO_COST if place is None else sums.sum_cost(parts[place], other)
        parts = _with_term(parts, other)
    return cost


def _with_terms(L: Sequence[Jacobian], others: Iterable[Jacobian], ledger: Ledger) -> Jacobian:
    blocks = list(L)
    for other in others:
        place = _place([block.spec for block in blocks], other.spec)
        if place is None:
            blocks.append(other)
        else:
            blocks[place] = sums.add(blocks[place], other, ledger)
    return SumOfTerms.unchecked(blocks)


# fmt: off
for _row in (
    *either(
        "PointSum", ANY, "Σ J_p + K, two terms",
        lambda a, b: SumOfTerms._joined([a, b]), lambda a, b: ZERO_COST,
        lambda L, R, ledger: SumOfTerms.unchecked([L, R]),
    ),
    Row("PointSum", "PointSum", "Σ J_p + Σ K_q, one list of terms", _listed, lambda a, b: ZERO_COST, _list, _one_list),
    *either(
        "SumOfTerms", ANY, "(J₁ + J₂) + K, with the term that takes it in, or a term more",
        lambda a, b: SumOfTerms._joined(_with_term(a.parts, b)),
        lambda a, b: _with_terms_cost(a.parts, [b]),
        lambda L, R, ledger: _with_terms(L.blocks, [R], ledger),
    ),
    Row(
        "SumOfTerms", "SumOfTerms", "(J₁ + J₂) + (K₁ + K₂), term by term",
        lambda a, b: SumOfTerms._joined(reduce(_with_term, b.parts, a.parts)),
        lambda a, b: _with_terms_cost(a.parts, b.parts),
        lambda L, R, ledger: _with_terms(L.blocks, R.blocks, ledger),
    ),
):
    put(sums.ROWS, _row, behind=("Zero",))
# fmt: on
