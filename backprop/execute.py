"""Running a plan with a ledger that counts what is really executed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jacobians import Cost, Jacobian
from jacobians.equality import ByValue
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.ledger import Ledger
from jacobians.planning.bracketing import evaluate
from jacobians.products.audit import require_planned

if TYPE_CHECKING:
    from backprop.plan import Plan


@dataclass(frozen=True, eq=False)
class Execution(ByValue):
    """What came out of a plan.

    Attributes
    ----------
    jacobian : Jacobian
        The product, in the structure that the plan said.
    cost : Cost
        Multiplications and additions, counted from the arrays while they were multiplied; equal to ``plan.cost``.
    plan : Plan
    """

    jacobian: Jacobian
    cost: Cost
    plan: Plan

    def _repr_html_(self) -> str:
        return (
            f"<p>counted: {self.cost}, as planned</p>{self.plan._repr_html_()}{self.jacobian._repr_html_()}"
        )


@without_float_errors
def execute_plan(plan: Plan) -> Execution:
    """Form the product of a plan.

    Raises
    ------
    ValueError
        If the chain was made from shapes or specs and has no numbers, or if its numbers were changed after it was
        planned, so that dead units came to life.
    MemoryBudgetError
        If an intermediate would take more than 2 GiB.

    Examples
    --------
    >>> from backprop import Chain
    >>> execution = execute_plan(Chain([[[1.0, 2.0]], [[3.0], [4.0]]]).plan("optimal"))
    >>> execution.jacobian.dense(), execution.cost
    (array([[11.]]), Cost(multiplications=2, additions=1))
    """
    factors = plan.chain.jacobians
    if factors is None:
        raise ValueError(
            "chain: found specs without numbers, expected Jacobians; make it by Chain([...]) or Chain.from_network"
        )
    ledger = Ledger()
    live = plan.live_units

    def run(ledger: Ledger) -> Jacobian:
        if live is None:
            return evaluate(plan.tree, factors, ledger)
        return live.complete(evaluate(plan.tree, live.reduced(factors), ledger), factors, ledger)

    product = run(ledger)
    require_planned(ledger.cost, plan.cost, run)
    return Execution(product, ledger.cost, plan)
