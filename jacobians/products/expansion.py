"""Making a structured Jacobian dense inside a product or a sum, with exact cost."""

from __future__ import annotations

from jacobians.numerics.arrays import format_bytes, require_budget
from jacobians.numerics.ledger import Ledger
from jacobians.spec import Spec
from jacobians.structures import Dense, Jacobian
from jacobians.structures.stored import expansion_cost

__all__ = ["expand", "expansion_cost", "expansion_spec", "require_room"]


def expansion_spec(spec: Spec) -> Spec:
    """Return the spec of the dense form."""
    return Spec.dense(*spec.shape, spec.batch)


def require_room(spec: Spec, itemsize: int) -> None:
    """Raise MemoryBudgetError unless a result of `spec` fits in the default budget of 2 GiB."""
    require_budget(
        (spec.storage,),
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
    return Dense.unchecked(jacobian._expand(ledger))
