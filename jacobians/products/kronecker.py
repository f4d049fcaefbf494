"""Products with Kronecker factors: how the rows of the table of products are executed.

A factor's product is one with a row of its own, so these functions call the table again for the parts.
"""

from __future__ import annotations

from typing import cast

from jacobians.cost import Cost, cheaper
from jacobians.numerics.arrays import Array
from jacobians.numerics.ledger import Ledger
from jacobians.numerics.libraries import namespace_of
from jacobians.products.core import multiply, product_cost, product_spec, remembered
from jacobians.products.expansion import expand, expansion_cost, expansion_spec
from jacobians.spec import Spec, broadcast
from jacobians.structures import Dense, Jacobian, Kronecker


def factors_fit(left: Spec, right: Spec) -> bool:
    """Return whether (A ⊗ B)(C ⊗ D) splits into AC and BD."""
    return all(a.shape[1] == b.shape[0] for a, b in zip(left.parts, right.parts, strict=True))


def factor_by_factor(L: Kronecker, R: Kronecker, ledger: Ledger) -> Jacobian:
    """(A ⊗ B)(C ⊗ D) = AC ⊗ BD."""
    return Kronecker.unchecked(multiply(L.A, R.A, ledger), multiply(L.B, R.B, ledger))


def into_first_of_right(L: Jacobian, R: Kronecker, ledger: Ledger) -> Jacobian:
    """J·(C ⊗ d) = (J·C) ⊗ d."""
    return Kronecker.unchecked(multiply(L, R.A, ledger), R.B)


def into_second_of_right(L: Jacobian, R: Kronecker, ledger: Ledger) -> Jacobian:
    """J·(c ⊗ D) = c ⊗ (J·D)."""
    return Kronecker.unchecked(R.A, multiply(L, R.B, ledger))


def into_first_of_left(L: Kronecker, R: Jacobian, ledger: Ledger) -> Jacobian:
    """(A ⊗ b)·J = (A·J) ⊗ b."""
    return Kronecker.unchecked(multiply(L.A, R, ledger), L.B)


def into_second_of_left(L: Kronecker, R: Jacobian, ledger: Ledger) -> Jacobian:
    """(a ⊗ B)·J = a ⊗ (B·J)."""
    return Kronecker.unchecked(L.A, multiply(L.B, R, ledger))


# --- Dense · (C ⊗ D) that does not collapse: contract one factor, then the other -------------------------


@remembered
def _stays_dense(factor: Spec) -> bool:
    """Return whether the product of a matrix with a factor is a matrix again."""
    return product_spec(Spec.dense(1, factor.shape[0]), factor).is_dense


@remembered
def _orders(left: Spec, right: Spec) -> tuple[Cost, Cost]:
    """Return the costs of contracting D first and of contracting C first, expansions apart."""
    m = left.shape[0]
    C, D = (part if _stays_dense(part) else expansion_spec(part) for part in right.parts)
    (p, r), (q, s) = C.shape, D.shape

    def two_steps(first: Spec, rows: int, second: Spec, then_rows: int) -> Cost:
        once = Spec.dense(rows, first.shape[0], left.batch)
        twice = Spec.dense(then_rows, second.shape[0], broadcast(left.batch, first.batch))
        return product_cost(once, first) + product_cost(twice, second)

    return two_steps(D, m * p, C, m * s), two_steps(C, m * q, D, m * r)


def contraction_cost(left: Spec, right: Spec) -> Cost:
    """Return the cost of B·(C ⊗ D) by the cheaper order of its two contractions."""
    expansions = [expansion_cost(part) for part in right.parts if not _stays_dense(part)]
    return sum(expansions, cheaper(*_orders(left, right)))


def contract(L: Dense, R: Kronecker, ledger: Ledger) -> Jacobian:
    """B·(C ⊗ D): for each row of B, as a p × q matrix X, the matrix Cᵀ X D."""
    C, D = (part if _stays_dense(part.spec) else expand(part, ledger) for part in (R.A, R.B))
    m = L.shape[0]
    (p, r), (q, s) = C.shape, D.shape
    cost_D_first, cost_C_first = _orders(L.spec, R.spec)
    xp = namespace_of(L.A)
    X = xp.reshape(L.A, (*L.A.shape[:-2], m, p, q))
    if cost_D_first <= cost_C_first:
        XD = _last_axis(X, D, ledger)  # (…, m, p, s)
        result = _last_axis(XD.mT, C, ledger).mT
    else:
        XC = _last_axis(X.mT, C, ledger)  # (…, m, q, r)
        result = _last_axis(XC.mT, D, ledger)
    return Dense.unchecked(xp.reshape(result, (*result.shape[:-3], m, r * s)))


def _last_axis(X: Array, factor: Jacobian, ledger: Ledger) -> Array:
    """Return X (…, m, k, n) times the n × l factor along its last axis."""
    m, k, n = X.shape[-3:]
    xp = namespace_of(X)
    flat = Dense.unchecked(xp.reshape(X, (*X.shape[:-3], m * k, n)))
    product = cast(Dense, multiply(flat, factor, ledger)).A
    return cast(Array, xp.reshape(product, (*product.shape[:-2], m, k, factor.shape[1])))
