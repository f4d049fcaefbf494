"""Whatever holds numbers goes through pickle and deepcopy, and comes back as the same kind of thing."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from structured_cases import CASES, Case

import backprop
import verification
from backprop import Chain
from jacobians import Affine, Graph, Sequential, SquaredError, Tanh, trace
from jacobians.layers.activations import ACTIVATIONS
from jacobians.numerics.libraries import NUMPY

WAYS: list[Callable[[Any], Any]] = [lambda it: pickle.loads(pickle.dumps(it)), copy.deepcopy, copy.copy]
each_way = pytest.mark.parametrize("way", WAYS, ids=["pickle", "deepcopy", "copy"])


@each_way
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_structure(case: Case, way: Callable[[Any], Any]) -> None:
    J = case.jacobian.reshaped((2, 3)).broadcast_batch((4, *(case.jacobian.batch_shape or (1,))))
    found = way(J)
    assert type(found) is type(J)
    assert found.home is NUMPY
    assert (found.spec, found.out_shape, found.in_shape, found.batch_shape, found.dtype) == (
        J.spec,
        J.out_shape,
        J.in_shape,
        J.batch_shape,
        J.dtype,
    )
    assert_array_equal(found.dense(), J.dense())
    assert_array_equal((found @ found).dense(), (J @ J).dense())


@each_way
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_networks_chains_plans_and_executions(name: str, way: Callable[[Any], Any]) -> None:
    net = Sequential(
        Affine(np.ones((3, 2)), None), ACTIVATIONS[name](), Affine(np.ones((2, 3)), None), Tanh()
    )
    x = np.array([0.5, -1.0])
    truth = net.jacobian(x).dense()
    assert_array_equal(way(net).jacobian(x).dense(), truth)
    linear = way(net.linearize(x))
    assert_array_equal(linear.value, net(x))
    chain = backprop.Chain.from_network(net, x, SquaredError(np.zeros(2)))
    plan = chain.plan("optimal")
    expected = plan.execute().jacobian.dense()
    assert_array_equal(way(chain).plan("optimal").execute().jacobian.dense(), expected)
    assert_array_equal(way(plan).execute().jacobian.dense(), expected)
    assert_array_equal(way(plan.execute()).jacobian.dense(), expected)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_diagonal_and_trace(case: Case) -> None:
    assert np.allclose(case.jacobian.diagonal(), np.diagonal(case.truth, axis1=-2, axis2=-1), atol=1e-13)
    assert np.allclose(case.jacobian.trace(), np.trace(case.truth, axis1=-2, axis2=-1), atol=1e-13)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_another_precision(case: Case) -> None:
    found = case.jacobian.astype("float32")
    assert (found.dtype, found.spec) == (np.dtype("float32"), case.jacobian.spec)
    assert found.dense().dtype == np.float32
    assert np.allclose(found.dense(), case.truth, atol=1e-5)


RESULTS: dict[str, Callable[[], Any]] = {
    "linearization": lambda: Sequential(Affine(np.eye(3)), Tanh()).linearize([0.1, np.nan, 0.3]),
    "taylor": lambda: verification.taylor_test(np.tanh, [0.1, 0.2], np.diag(1 - np.tanh([0.1, 0.2]) ** 2)),
    "richardson": lambda: verification.richardson_jacobian(np.tanh, [0.1, 0.2]),
    "steps": lambda: verification.step_errors(np.tanh, [0.1, 0.2]),
    "symbolic": lambda: verification.symbolic_jacobian(np.tanh, [0.1, 0.2]),
    "certified": lambda: verification.certified_jacobian(np.tanh, [0.1, 0.2]),
    "graph": lambda: trace(Sequential(Affine([[1.0, 2.0]]), Tanh()), [0.1, 0.2]),
    "graph of specs": lambda: Graph.from_edges(1, 3, [2], [(0, 1, 0), (1, 2, 0), (0, 2, 1)]),
    "graph plan": lambda: trace(Sequential(Affine([[1.0, 2.0]]), Tanh()), [0.1, 0.2]).plan("reverse"),
    "graph execution": lambda: trace(Affine([[1.0, np.nan]]), [0.1, 0.2]).plan("reverse").execute(),
    "execution": lambda: Chain([[[1.0, 2.0]], [[3.0], [np.nan]]]).plan().execute(),
}


@pytest.mark.parametrize("name", RESULTS)
def test_results_with_arrays_are_equal_to_their_copies_and_to_no_other(name: str) -> None:
    result = RESULTS[name]()
    again = pickle.loads(pickle.dumps(result))
    assert again == result
    assert (again != result) is False
    other = next(RESULTS[key]() for key in RESULTS if key != name)
    assert result != other
    assert (result == other) is False


def _graph(x: Any) -> Graph:
    return trace(lambda x: np.tanh(np.sin(x)), x)


@pytest.mark.parametrize("make", [_graph, lambda x: _graph(x).plan("reverse")])
def test_graphs_and_plans_of_equal_data_are_equal_and_of_other_data_are_not(
    make: Callable[[Any], Any],
) -> None:
    one, again, other = make([0.1, 0.2]), make([0.1, 0.2]), make([0.1, 0.3])
    for way in (copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))):
        assert way(one) == one
        assert hash(way(one)) == hash(one)
    assert one == again
    assert one != other
    assert make([0.1]) != one
    if hasattr(one, "steps"):
        assert one.steps  # what a plan remembers has no part in it
        assert one == again


def test_functions_that_say_how_they_are_copied_are_copied_so():
    from jacobians.pickling import shallow

    class Told(Affine):
        def __copy__(self):
            made = Affine.__new__(type(self))
            vars(made).update(vars(self), told=True)
            return made

    W = np.eye(2)
    plain, told = Affine(W), Told(W)
    assert shallow(told).told
    copied = shallow(plain)
    assert type(copied) is Affine
    assert copied is not plain
    assert vars(copied) == vars(plain)  # the same arrays, which nobody writes to
    assert not copied.W.flags.writeable
    bound = told.bind({"W": 2 * W})
    assert bound.told
    assert np.array_equal(told.W, W)
