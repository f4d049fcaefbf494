"""What executions count is held to what was planned; a difference is told by the name of the row that states it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jacobians.cost import Cost, exactly
from jacobians.numerics.ledger import Ledger

if TYPE_CHECKING:
    from jacobians.products.core import Row
    from jacobians.structures import Jacobian


class Audit(Ledger):
    """A ledger under which each product and each sum is held to the cost that its row states."""

    def held(self, row: Row, left: Jacobian, right: Jacobian) -> Jacobian:
        """Return what a row makes of two Jacobians, or raise ValueError if it counts another cost than it states."""
        before, stated = self.cost, exactly(row.cost(left.spec, right.spec))
        made = row.execute(left, right, self)
        more = self.multiplications - before.multiplications, self.additions - before.additions
        if more != (stated.multiplications, stated.additions):
            raise ValueError(
                f"cost: found {Cost(*more)} counted in {left.label} and {right.label} by the row {row.formula!r}, "
                f"expected {stated}, which the row, or the _apply_cost or _expansion_cost of one of the two, states; "
                f"all that is counted goes through the ledger"
            )
        return made


def require_planned(counted: Cost, planned: Cost, again: Callable[[Ledger], Any]) -> None:
    """Raise ValueError unless what was counted is what was planned.

    A run again says which row states another cost than its code counts.
    """
    if counted != planned:
        again(Audit())
        raise ValueError(
            f"cost: counted {counted}, expected {planned} as planned; a row was added after the plan was made, so "
            f"plan again"
        )
