"""Making a structured Jacobian dense inside a product or a sum, with exact cost."""

from __future__ import annotations

from typing import cast

from jacobians.arithmetic import Ledger
from jacobians.arrays import DEFAULT_MAX_BYTES, Array, format_bytes, require_budget
from jacobians.cost import ZERO_COST, Cost
from jacobians.placing import diagonal_of, set_diagonal
from jacobians.spec import Spec
from jacobians.structures import (
    BlockColumn,
    BlockRow,
    Dense,
    DiagonalPlusLowRank,
    Identity,
    Jacobian,
    Kronecker,
)


def expansion_spec(spec: Spec) -> Spec:
    """Return the spec of the dense form."""
    return Spec.dense(*spec.shape, spec.batch)


def expansion_cost(spec: Spec) -> Cost:
    """Return what it costs to make the dense form.

    Placing numbers is free; a Kronecker product takes one multiplication an entry unless a factor is an identity,
    and diag(d) + U Vᵀ takes the product and n additions.

    Examples
    --------
    >>> expansion_cost(Spec.kronecker(Spec.dense(2, 2), Spec.dense(3, 3)))
    Cost(multiplications=36, additions=0)
    """
    match spec.structure:
        case "Kronecker":
            cost = expansion_cost(spec.parts[0]) + expansion_cost(spec.parts[1])
            if "Identity" in (part.structure for part in spec.parts):
                return cost
            return cost + Cost(spec.dense_storage, 0)
        case "DiagonalPlusLowRank":
            n, r = spec.shape[0], spec.rank
            return spec.batch_size * (Cost(n * n * r, n * n * (r - 1)) + Cost(0, n))
        case "BlockRow" | "BlockColumn":
            return sum((expansion_cost(part) for part in spec.parts), ZERO_COST)
    return ZERO_COST


def require_room(spec: Spec, itemsize: int) -> None:
    """Raise MemoryBudgetError unless a result of `spec` fits in the default budget of 2 GiB."""
    storage = spec.storage
    if (
        storage * itemsize > DEFAULT_MAX_BYTES
    ):  # the sentence, which takes longer than this, only for what doesn't
        require_budget(
            (storage,),
            itemsize,
            f"the product or sum {spec.label}",
            "keep the factors apart and use matvec and rmatvec, or take fewer points",
        )


def expand(jacobian: Jacobian, ledger: Ledger) -> Dense:
    """Return the dense form, every multiplication and addition counted.

    Raises
    ------
    MemoryBudgetError
        If it would take more than 2 GiB.
    """
    if isinstance(jacobian, Dense):
        return jacobian
    spec = jacobian.spec
    require_budget(
        (*spec.batch, *spec.shape),
        jacobian.dtype.itemsize,
        f"the dense form of {spec.label}, which this product or sum needs",
        f"use matvec and rmatvec, which work on the {format_bytes(jacobian.nbytes)} that are stored",
    )
    return Dense.unchecked(_expanded(jacobian, ledger))


def _expanded(jacobian: Jacobian, ledger: Ledger) -> Array:
    match jacobian:
        case DiagonalPlusLowRank():
            dense = ledger.matmul(jacobian.U, jacobian.V.mT)
            return set_diagonal(dense, ledger.add(diagonal_of(dense), jacobian.d))
        case Kronecker():
            return _expanded_kronecker(jacobian, ledger)
        case BlockRow() | BlockColumn():
            parts = [_expanded(block, ledger) for block in jacobian.blocks]
            batch = jacobian.spec.batch
            axis = -1 if isinstance(jacobian, BlockRow) else -2
            xp = jacobian.home.namespace
            spread = [xp.broadcast_to(part, batch + tuple(part.shape[-2:])) for part in parts]
            return cast(Array, xp.concat(spread, axis=axis))
    return jacobian.expand()


def _expanded_kronecker(jacobian: Kronecker, ledger: Ledger) -> Array:
    A, B = jacobian.A, jacobian.B
    if isinstance(A, Identity) or isinstance(B, Identity):
        return jacobian.place(_expanded(B if isinstance(A, Identity) else A, ledger))
    left, right = _expanded(A, ledger), _expanded(B, ledger)
    product = ledger.scale(left[..., :, None, :, None], right[..., None, :, None, :])
    return cast(Array, jacobian.home.namespace.reshape(product, jacobian.spec.batch + jacobian.shape))
