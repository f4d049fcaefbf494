"""Plans as NumPy code: equal in value to the executed plan, with costs that add up to the planned ones."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from structured_cases import CASES, PAIRS, Case

from backprop import Chain, Plan
from backprop.compiling import Recording, RecordingError
from backprop.compiling.printing import literal
from backprop.compiling.stored_arrays import identifiers, stored_arrays
from jacobians import Affine, Cost, Sequential, Softmax, Spec, SquaredError, Tanh
from jacobians.structures import Zero


def run(source: str, arguments: dict[str, Any]) -> Any:
    """Return what the code computes in a namespace of its own."""
    assert re.findall(r"^ *(?:import|from) .*", source, re.MULTILINE) == ["import numpy as np"]
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    return namespace["product"](**arguments)


def written_cost(source: str) -> Cost:
    """Return the sum of the costs in the comments of the lines."""
    body = source.split('"""')[2].split("# the dense form")[0]
    counts = [
        sum(int(number.replace(",", "")) for number in re.findall(rf"([\d,]+) {word}", body))
        for word in ("multiplications", "additions")
    ]
    return Cost(*counts)


def assert_source_is_the_plan(plan: Plan) -> None:
    executed = plan.execute().jacobian
    source = plan.to_source()
    found = run(source, plan.source_arguments())
    expected = list(stored_arrays(executed, "result").values())
    found = [found] if len(expected) == 1 else list(found)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        # the same operations; BLAS may round the last bit differently for another memory layout
        scale = np.abs(other).max(initial=0.0)
        assert_allclose(one, other, rtol=1e-13, atol=1e-13 * scale)
        assert one.dtype == other.dtype
    assert written_cost(source) == plan.cost
    dense = plan.to_source(dense=True)
    assert_allclose(run(dense, plan.source_arguments()), executed.dense(), rtol=1e-12, atol=1e-12)
    assert written_cost(dense) == plan.cost


@pytest.mark.parametrize(("left", "right"), PAIRS, ids=[f"{a.name} · {b.name}" for a, b in PAIRS])
def test_the_source_of_every_pair_is_what_is_executed(left: Case, right: Case) -> None:
    assert_source_is_the_plan(Chain([left.jacobian, right.jacobian]).plan())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(CASES), min_size=1, max_size=5), st.sampled_from(["left", "right", "optimal"])
)
def test_the_source_of_a_chain_is_what_is_executed(chosen: list[Case], strategy: Any) -> None:
    assert_source_is_the_plan(Chain([case.jacobian for case in chosen]).plan(strategy))


@pytest.mark.parametrize(("left", "right"), PAIRS[::37], ids=[f"{a.name} · {b.name}" for a, b in PAIRS[::37]])
def test_specs_give_the_source_of_numbers(left: Case, right: Case) -> None:
    chain = Chain([left.jacobian, right.jacobian])
    assert Chain.from_specs(chain.specs).plan().to_source() == chain.plan().to_source()


def test_a_source_keeps_float32() -> None:
    A = np.ones((2, 3), np.float32)
    plan = Chain([A, A.T]).plan()
    assert run(plan.to_source(), plan.source_arguments()).dtype == np.float32


@pytest.mark.parametrize("by", ["input", "0.W", "2.b"])
def test_the_source_of_a_network_has_names_of_layers(by: str) -> None:
    random = np.random.default_rng(0)
    net = Sequential(
        Affine(random.standard_normal((3, 4))), Tanh(), Affine(np.ones((2, 3)), [0, 1]), Softmax()
    )
    chain = Chain.from_network(net, [0.1, 0.2, 0.3, 0.4], SquaredError([0.0, 1.0]), by=by)
    assert_source_is_the_plan(chain.plan())
    assert "SquaredError" in chain.plan().source_arguments()


def test_a_plan_without_numbers_is_written_but_has_no_arguments() -> None:
    plan = Chain.from_shapes([(2, 2**32), (2**32, 1)]).plan()
    assert f"# (2, 1), {2**33:,} multiplications" in plan.to_source()
    with pytest.raises(
        ValueError, match=r"^chain: found specs without numbers, expected Jacobians; make it by"
    ):
        plan.source_arguments()


def test_the_dense_form_is_the_caller_s_to_write_to() -> None:
    A = np.eye(2)
    plan = Chain([A]).plan()
    found = run(plan.to_source(dense=True), plan.source_arguments())
    found[:] = 7.0
    assert_array_equal(A, np.eye(2))


def test_a_product_that_is_not_used_is_still_executed_and_counted() -> None:
    plan = Chain([np.ones((2, 3)), np.ones((3, 4)), Zero(4, 2)]).plan("left")
    assert written_cost(plan.to_source()) == plan.cost == Cost(24, 16)


def test_names_are_python_names() -> None:
    names = identifiers(["t1", "k2", "class", "np", "a b", "a_b", "1.W", ""])
    assert names == ["t1_", "k2_", "class_", "np_", "a_b", "a_b_2", "J1_W", "J"]
    assert Spec.dense(1, 1) == Chain([[[1.0]]], names=["t1"]).plan().spec
    assert "def product(t1_):" in Chain([[[1.0]]], names=["t1"]).plan().to_source()


@pytest.mark.parametrize(
    "value",
    [
        np.eye(3), np.eye(2, 3), np.ones((2, 2), np.float32), np.arange(3, 9), np.array(2), np.array([0, 1, 2, -1, -1]),
        np.zeros((2, 3)), np.array([[True, False], [False, True]]), np.broadcast_to(np.arange(3), (4, 3)),
        np.broadcast_to(np.arange(40), (30, 40)), np.broadcast_to(np.arange(6).reshape(2, 3), (4, 2, 3)),
        np.reshape(np.eye(6), (6, 1, 6, 1)), np.array([0.1, 0.2]), np.array([5]), np.array([1, 0]),
    ],
    ids=repr,
)  # fmt: skip
def test_a_literal_is_the_array(value: Any) -> None:
    text = literal(value)
    assert text is not None
    found = eval(text, {"np": np})
    assert_array_equal(found, value)
    assert found.dtype == value.dtype


def test_long_or_irregular_arrays_are_no_literals() -> None:
    assert literal(np.random.default_rng(0).permutation(50)) is None
    assert literal(np.linspace(0, 1, 50)) is None
    assert literal(np.array(np.nan)) is None


# --- what can't be written down -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (lambda x: x if x.sum() > 0 else -x, "a branch on numbers: straight-line code has none; use np.where"),
        (lambda x: float(x[0]), "float() of a recorded array: it has no number; use NumPy's functions"),
        (lambda x: np.ones(3)[int(x[0])], "int() of a recorded array: it has no number"),
        (np.asarray, "conversion to an array of numbers: a recorded array has none; leave out np.asarray"),
        (lambda x: x[x > 0], "a mask as an index: its result has no fixed shape; use np.where"),
        (lambda x: x.__setitem__(0, 1.0), "writing into an argument: functions leave their inputs alone"),
        (lambda x: np.put_along_axis(np.ones(3), np.arange(3), x, 0), "recorded values go into an array of numbers"),
        (lambda x: np.add(x, 1, out=np.ones(3)), "add: out= can't be recorded; use the result"),
        (np.modf, "modf: several results can't be recorded; use functions of one"),
        (lambda x: x.tobytes(), "ndarray.tobytes: can't be recorded; write it with NumPy functions"),
        (lambda x: Recording().input("y", (3,)) + x, "two recordings are mixed"),
        (lambda x: np.linalg.svd(x[None]), "np.svd: its result can't be recorded"),
    ],
)  # fmt: skip
def test_code_without_a_straight_line_is_refused(code: Any, sentence: str) -> None:
    x = Recording(share=True).input("x", (3,))
    with pytest.raises(RecordingError, match=re.escape(sentence)):
        code(x)


def test_what_is_shared_is_not_changed_in_place() -> None:
    recording = Recording(share=True)
    x = recording.input("x", (3,))
    first, second = x * 2, x * 2
    assert first.node is second.node
    first[0] = 1.0
    assert first.node is not second.node
    third = x * 2
    assert third.node is second.node
