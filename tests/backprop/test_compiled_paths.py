"""Compiled networks in which paths meet: values, and what the code's products cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from differences import differences
from numpy.testing import assert_allclose

import backprop
from jacobians import (
    Affine,
    Concatenate,
    Function,
    Product,
    Residual,
    Sequential,
    Sigmoid,
    SquaredError,
    Sum,
    Tanh,
)
from jacobians.products.expansion import expansion_cost

RANDOM = np.random.default_rng(3)


def affine(rows: int, columns: int) -> Affine:
    return Affine(RANDOM.normal(size=(rows, columns)) / np.sqrt(columns), RANDOM.normal(size=rows))


SHARED = affine(5, 5)
NETWORKS: dict[str, Function] = {
    "residual": Sequential(*[Residual(Sequential(affine(5, 5), Tanh(), affine(5, 5))) for _ in range(3)]),
    "shared": Sequential(SHARED, Tanh(), SHARED, Tanh(), SHARED),
    "sum, product, concatenation": Sequential(
        Sum(SHARED, Tanh()), Concatenate(Product(Tanh(), SHARED), Sigmoid()), affine(4, 10)
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("loss", [None, SquaredError(np.zeros(5))])
def test_the_code_gives_the_jacobian_and_costs_what_the_plan_says(
    name: str, batched: bool, loss: Function | None
) -> None:
    net = NETWORKS[name]
    if loss is not None and name.startswith("sum"):
        loss = SquaredError(np.zeros(4))
    shape = (6, 5) if batched else (5,)
    points = RANDOM.normal(size=(6, 5))
    whole = net if loss is None else Sequential(net, loss)
    for by in ("input", next(iter(net.parameters))):
        compiled = backprop.compile(net, by, loss, batched=batched, shape=shape, form="arrays")
        x: Any = points if batched else points[0]
        named = by if by == "input" else by if loss is None else f"0.{by}"
        truth = [
            differences(
                whole
                if by == "input"
                else lambda value, point=point, named=named: whole.replace({named: value})(point),  # type: ignore[misc]
                point if by == "input" else whole.parameters[named],
            )
            for point in points
        ]
        assert_allclose(compiled(x), truth if batched else truth[0], rtol=1e-5, atol=1e-6)
        # what hangs on parameters alone is computed once, and the answer is dense
        made_dense = expansion_cost(whole.jacobian(x, wrt=named, batched=batched).spec)
        assert 0 < compiled.cost.multiplications <= (compiled.plan.cost + made_dense).multiplications
        assert "def jacobian(" in compiled.source
