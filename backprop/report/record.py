"""A report as plain data: what `report.json` holds, and what the templates read.

The file `report.schema.json` beside this one is its JSON Schema.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from backprop.layer_costs import LayerCost, LayerCosts, layer_costs
from backprop.network_graph import NetworkPlan
from backprop.plan import Plan
from backprop.report.collect import environment
from backprop.report.result import (
    SINGLE_TOLERANCE,
    TOLERANCE,
    Derivative,
    Layer,
    LayerJacobian,
    Report,
    Training,
)
from backprop.report.settings import BATCH_SIZE, HELD_OUT
from jacobians import Cost
from jacobians.numerics.arguments import checked_instance
from jacobians.planning.trees import Tree

SCHEMA = "explicit-jacobians/report"
SCHEMA_VERSION = 1
"""Grows when a field changes its meaning or goes; new fields may come without."""

CONVENTIONS = {
    "layout": "A Jacobian is outputs × inputs (numerator layout): entry [i, j] is ∂y_i/∂x_j.",
    "vec": "Matrices are stacked into vectors row by row (row-major vec), so ∂(Wx + b)/∂W = I ⊗ xᵀ.",
    "orders": "Left multiplies from the output (reverse mode, backpropagation), right from the input (forward "
    "mode); optimal has the fewest multiplications, among equals the fewest additions, among equals the "
    "leftmost split.",
    "cost": "× counts multiplications, + counts additions, both exactly; ratios compare multiplications.",
    "dead_units": "Costs are those of the whole chain: units that exact zeros switch off, as a ReLU does, are "
    "counted; each derivative says how many of its units are dead at the point.",
    "index": "Rows, columns and entries are counted from 0.",
    "predicted": "Predicted costs come from shapes and structures alone, before any number is multiplied; counted "
    "costs are summed while the arrays are multiplied.",
    "stored": "Stored numbers are those that a structure keeps, dense numbers those of the full matrix; the largest "
    "intermediate is the product of a chain that stores most, the result included.",
    "time": "Times are medians of runs taken in turns on one machine; chains this small mostly show the "
    "cost of a call. They are the only part that another run does not repeat. As one product says how long so many "
    "multiplications take in one large product of matrices on this machine, and distance how many times longer the "
    "measured time is.",
    "points": "For N points at once there is one loss a point, not their mean; only what differs between points is "
    "multiplied N times.",
    "checks": "A check compares every entry with witnesses that never read the rule that they check; it is right if "
    "one that can decide agrees and none disagrees. Very large Jacobians are checked along random directions.",
    "products": "Of each whole derivative the products of all orders are compared along one random direction (they may "
    f"differ by {TOLERANCE:g} of their size, in float32 by {SINGLE_TOLERANCE:g}), for several points also with the "
    "product of every point alone, and the witnesses are asked about that direction at the first point.",
}
"""What a reader has to know to read the numbers, a sentence each."""


def to_dict(report: Report) -> dict[str, Any]:
    """Return a report as plain data for JSON: exact integers; what is not finite is None or a string.

    Settings, data and training are there for a network that was trained for the report, and for no other.

    Parameters
    ----------
    report : Report

    Raises
    ------
    TypeError
        If it is no report.
    """
    checked_instance(report, "report", Report)
    return {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "verdict": report.verdict,
        "passed": report.passed,
        "environment": dict(environment()),
        "matrix_product": None
        if report.product is None
        else {
            "size": report.product.size,
            "multiplications": report.product.multiplications,
            "seconds": report.product.seconds,
        },
        "asked": {
            "title": report.asked.title,
            "author": report.asked.author,
            "points": sorted({own.points for own in report.derivatives}),
            "by": list(report.asked.by),
            "strategies": list(report.asked.strategies),
            "objective": report.asked.objective,
        },
        "conventions": CONVENTIONS | _objective(report.asked.objective),
        "network": {"title": report.title, "parameters": report.network.parameter_count},
        **({} if report.training is None else _training(report.training)),
        "point": {
            **({} if report.training is None else _digit(report.training)),
            "shape": list(report.x.shape),
            "values": [_finite(value) for value in report.x.ravel().tolist()],
            "loss": None if report.loss is None else _finite(report.loss),
        },
        "layers": [_layer(layer) for layer in report.layers],
        "layer_costs": _layer_costs(layer_costs(report.network, report.x)),
        "derivatives": [_derivative(derivative) for derivative in report.derivatives],
    }


def _objective(name: str) -> dict[str, str]:
    if name == "multiplications":
        return {}
    least = "stored numbers in its largest intermediate" if name == "peak" else name
    return {"objective": f"In this report optimal has the least {least}."}


def _layer_costs(costs: LayerCosts) -> dict[str, Any]:
    total = LayerCost(
        "total", "", (), costs.parameters, costs.forward, sum((own.dense for own in costs.layers), Cost())
    )

    def row(own: LayerCost) -> dict[str, Any]:
        forward = own.forward
        return {
            "name": own.name,
            "kind": own.kind,
            "shape": None if own is total else list(own.shape),
            "parameters": own.parameters,
            "forward_multiplications": None if forward is None else forward.multiplications,
            "forward_additions": None if forward is None else forward.additions,
            "kept": costs.activation_elements if own is total else math.prod(own.shape),
            "dense_multiplications": own.dense.multiplications,
        }

    return {"layers": [row(own) for own in costs.layers], "total": row(total)}


def _training(training: Training) -> dict[str, Any]:
    return {
        "settings": {
            name: list(value) if name == "layers" else value
            for name, value in asdict(training.settings).items()
            if name != "asked"
        },
        "data": {
            "name": "UCI handwritten digits",
            "source": training.digits.source,
            "licence": training.digits.licence,
            "training_points": len(training.digits.labels) - HELD_OUT,
            "held_out_points": HELD_OUT,
        },
        "training": {
            "learning_rate": training.settings.learning_rate,
            "batch_size": BATCH_SIZE,
            "history": [
                {"epoch": epoch.number, "loss": epoch.loss, "accuracy": epoch.accuracy}
                for epoch in training.history
            ],
            "held_out_accuracy": training.accuracy,
        },
    }


def _digit(training: Training) -> dict[str, Any]:
    return {"index": training.index, "label": training.label, "prediction": training.prediction}


def _layer(layer: Layer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "in_shape": list(layer.in_shape),
        "out_shape": list(layer.out_shape),
        "parameters": layer.parameters,
        "jacobians": [_jacobian(own) for own in layer.jacobians],
    }


def _jacobian(own: LayerJacobian) -> dict[str, Any]:
    spec = own.jacobian.spec
    return {
        "title": own.title,
        "by": own.wrt,
        "structure": spec.structure,
        "label": spec.label,
        "shape": list(spec.shape),
        "stored_numbers": spec.storage,
        "dense_numbers": spec.dense_storage,
        "check": own.check.to_dict(),
    }


def _derivative(derivative: Derivative) -> dict[str, Any]:
    data = derivative.comparison.to_dict()
    for alternative, plan in zip(data["alternatives"], derivative.comparison.plans, strict=True):
        alternative["flops"] = plan.cost.flops
        alternative["ratio"] = _finite(alternative["ratio"])
        if isinstance(plan, NetworkPlan):
            alternative["order"] = list(plan.order)
            alternative["steps"] = [{"eliminate": s.vertex, **asdict(s.cost)} for s in plan.steps]
        else:
            alternative["tree"] = _nested(plan.tree)
            alternative["steps"] = _steps(plan)
    return {
        "title": derivative.title,
        "of": derivative.of,
        "by": derivative.by,
        "points": derivative.points,
        "verdict": derivative.verdict,
        "disagreement": _finite(derivative.disagreement),
        "check": derivative.check.to_dict(),
        **data,
    }


def _steps(plan: Plan) -> list[dict[str, Any]]:
    return [
        {
            "left": step.left,
            "right": step.right,
            "result": step.spec.label,
            "multiplications": step.cost.multiplications,
            "additions": step.cost.additions,
            "rule": step.formula,
        }
        for step in plan.steps
    ]


def _nested(tree: Tree) -> Any:
    return tree if isinstance(tree, int) else [_nested(tree[0]), _nested(tree[1])]


def _finite(value: float) -> float | None:
    # JSON knows neither infinity nor NaN
    return value if math.isfinite(value) else None
