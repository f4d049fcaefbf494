"""Plans that are executed again: the same Jacobians and costs, by products and sums alone."""

import pickle

import numpy as np
import pytest
from numpy_programs import PROGRAMS

from jacobians import Affine, Graph, Residual, Sequential, SquaredError, Tanh, trace
from jacobians.planning import execute
from jacobians.structures import Dense, Diagonal, Kronecker

RNG = np.random.default_rng(0)


def residual_plan():
    blocks = [
        Residual(
            Sequential(Affine(RNG.normal(size=(8, 8)), None), Tanh(), Affine(RNG.normal(size=(8, 8)), None))
        )
        for _ in range(3)
    ]
    return trace(Sequential(*blocks, SquaredError(np.zeros(8))), RNG.normal(size=8), wrt=["input"]).plan(
        "reverse"
    )


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("strategy", ["reverse", "forward"])
def test_a_plan_gives_the_same_when_it_is_executed_again(name, strategy):
    f, *points = PROGRAMS[name]
    plan = trace(f, *points).plan(strategy)
    first, *others = (plan.execute() for _ in range(3))
    for again in others:
        assert again.cost == first.cost == plan.cost
        assert again.jacobians.keys() == first.jacobians.keys()
        for pair, one in first.jacobians.items():
            other = again.jacobians[pair]
            assert (other.spec, other.out_shape, other.in_shape) == (one.spec, one.out_shape, one.in_shape)
            np.testing.assert_array_equal(other.dense(), one.dense())


def test_a_residual_net_is_executed_again_without_looking_anything_up(monkeypatch):
    plan = residual_plan()
    first = plan.execute()
    monkeypatch.setattr(execute, "multiply", None)
    again = plan.execute()
    (one,), (other,) = first.jacobians.values(), again.jacobians.values()
    assert np.array_equal(one.dense(), other.dense())
    one.A[:] = 7  # results are arrays of their own
    assert not np.any(other.dense() == 7)
    assert not np.any(next(iter(plan.execute().jacobians.values())).dense() == 7)


def test_what_is_kept_follows_the_numbers_of_the_graph():
    A, d = RNG.normal(size=(3, 3)), RNG.normal(size=3)
    graph = Graph.from_edges(1, 3, [2], [(0, 1, Diagonal(d)), (1, 2, Dense(A))])
    plan = graph.plan()
    plan.execute()
    for edge, other in zip(graph.edges, (2 * d, A + 1), strict=True):
        stored = next(iter(edge.jacobian.arrays.values()))
        if stored.flags.writeable:
            stored[...] = other
    expected = graph.edges[1].jacobian.dense() @ graph.edges[0].jacobian.dense()
    np.testing.assert_allclose(plan.execute().jacobians[2, 0].dense(), expected)


def test_products_that_move_entries_are_looked_up_each_time():
    graph = Graph.from_edges(
        1,
        3,
        [2],
        [(0, 1, Kronecker(np.eye(2), RNG.normal(size=(1, 3)))), (1, 2, Dense(RNG.normal(size=(4, 2))))],
    )
    plan = graph.plan()
    first, again = (plan.execute().jacobians[2, 0] for _ in range(2))
    np.testing.assert_array_equal(first.dense(), again.dense())


def test_a_plan_that_was_executed_is_pickled_without_what_it_did():
    plan = residual_plan()
    size = len(pickle.dumps(plan))
    plan.execute()
    assert len(pickle.dumps(plan)) == size
