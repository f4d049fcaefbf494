"""Chains, plans, execution and comparison."""

from __future__ import annotations

import csv
import io
import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from structured_cases import CASES, Case

import backprop
from backprop import Chain, compare
from jacobians import Affine, Cost, ReLU, Sequential, Softmax, Spec, SquaredError, Tanh
from jacobians.structures import Dense, Diagonal

RANDOM = np.random.default_rng(7)


def network() -> Sequential:
    return Sequential(
        Affine(RANDOM.standard_normal((5, 4)), RANDOM.standard_normal(5)),
        Tanh(),
        Affine(RANDOM.standard_normal((3, 5)), RANDOM.standard_normal(3)),
        Softmax(),
    )


def test_the_notes_chain_costs_what_the_notes_say() -> None:
    chain = Chain.from_shapes([(1, 100), (100, 100), (100, 100)])
    left, right, optimal = (chain.plan(name).cost for name in ("left", "right", "optimal"))
    assert (left.multiplications, right.multiplications) == (20_000, 1_010_000)
    assert left == optimal
    assert compare(chain)["right"].ratio == 50.5


def test_the_text_book_chain() -> None:
    sizes = [30, 35, 15, 5, 10, 20, 25]
    plan = Chain.from_shapes(list(pairwise(sizes))).plan("optimal")
    assert plan.cost.multiplications == 15_125
    assert plan.bracketing == "(A·(B·C))·((D·E)·F)"


def test_planning_needs_no_numbers_and_does_not_overflow() -> None:
    n = 2**32
    plan = Chain.from_shapes([(n, n), (n, n)]).plan("optimal")
    assert plan.cost == Cost(2**96, 2**64 * (2**32 - 1))
    assert plan.peak_elements == 2**64


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(CASES), min_size=1, max_size=5))
def test_execution_counts_what_the_plan_says(chosen: list[Case]) -> None:
    chain = Chain([case.jacobian for case in chosen])
    truth = chosen[0].truth
    for case in chosen[1:]:
        truth = truth @ case.truth
    for strategy in backprop.plan.STRATEGIES:
        plan = chain.plan(strategy)
        execution = plan.execute()
        assert execution.cost == plan.cost == sum((step.cost for step in plan.steps), Cost())
        assert execution.jacobian.spec == plan.spec
        assert_allclose(execution.jacobian.dense(), truth, rtol=1e-8, atol=1e-8)


def test_a_printed_plan_shows_bracketing_steps_total_speedups_and_largest_intermediate() -> None:
    text = str(Chain.from_shapes([(1, 100), (100, 100), (100, 100)]).plan("optimal"))
    for part in (
        "Plan (optimal): (A·B)·C",
        "multiplications        20,000",
        "speedup over left      1×",
        "speedup over right     50.5×",
        "largest intermediate   100 stored numbers",
        "1     A · B      Dense 1×100 · Dense 100×100  Dense 1×100           10,000",
        "2     (A·B) · C  Dense 1×100 · Dense 100×100  Dense 1×100           10,000",
        "1         9,900  A·B",
    ):
        assert part in text


def test_a_chain_of_one_factor_is_its_factor() -> None:
    plan = Chain([np.eye(2)]).plan("optimal")
    assert (plan.steps, plan.cost, plan.bracketing) == ((), Cost(0, 0), "A")
    assert_allclose(plan.execute().jacobian.dense(), np.eye(2))
    assert "Plan (optimal): A" in str(plan)


def test_a_bracketing_of_ones_own() -> None:
    chain = Chain.from_shapes([(1, 2), (2, 3), (3, 4), (4, 5)])
    assert chain.plan(((0, 1), (2, 3))).bracketing == "(A·B)·(C·D)"
    for wrong in (((0, 1), 2), ((1, 0), (2, 3)), (0, 1, 2, 3), "best", 7):
        with pytest.raises(
            ValueError, match=r"strategy: found .*expected 'left', 'right', 'optimal' or nested pairs"
        ):
            chain.plan(wrong)


# --- from a network --------------------------------------------------------------------------------------


def difference_quotients(f: object, x: np.ndarray) -> np.ndarray:
    h = 1e-6
    columns = [
        (np.asarray(f(x + h * e)) - np.asarray(f(x - h * e))).ravel() / (2 * h)
        for e in np.eye(x.size).reshape(-1, *x.shape)
    ]
    return np.stack(columns, axis=-1)


@pytest.mark.parametrize("by", ["input", "0.W", "0.b", "2.W", "2.b"])
@pytest.mark.parametrize("strategy", ["left", "right", "optimal"])
def test_chain_of_a_network_at_a_point(by: str, strategy: str) -> None:
    net, x, y = network(), RANDOM.standard_normal(4), RANDOM.standard_normal(3)
    chain = Chain.from_network(net, x, SquaredError(y), by=by)
    found = chain.plan(strategy).execute().jacobian

    def loss(value: np.ndarray) -> np.ndarray:
        if by == "input":
            return SquaredError(y)(net(value))
        return SquaredError(y)(net.replace({by: value})(x))

    at = x if by == "input" else net.parameters[by]
    assert found.out_shape == ()
    assert found.in_shape == at.shape
    assert_allclose(found.dense(), difference_quotients(loss, at), rtol=1e-6, atol=1e-8)


def test_chain_of_a_batch_is_the_chains_of_its_points() -> None:
    net, X, Y = network(), RANDOM.standard_normal((6, 4)), RANDOM.standard_normal((6, 3))
    for by in ("input", "0.W", "2.b"):
        batch = Chain.from_network(net, X, SquaredError(Y), by=by, batched=True)
        points = [Chain.from_network(net, x, SquaredError(y), by=by) for x, y in zip(X, Y, strict=True)]
        for strategy in ("left", "right", "optimal"):
            together = batch.plan(strategy).execute()
            assert together.cost == batch.plan(strategy).cost
            each = np.stack([point.plan(strategy).execute().jacobian.dense() for point in points])
            assert_allclose(together.jacobian.dense(), each, rtol=1e-12, atol=1e-14)


def test_factors_are_named_after_their_layers() -> None:
    chain = Chain.from_network(network(), np.ones(4), SquaredError(np.ones(3)), by="0.W")
    assert chain.names == ("SquaredError", "3.Softmax", "2.Affine", "1.Tanh", "0.Affine/W")
    nested = Sequential(Sequential(Affine(np.eye(2)), Tanh()), ReLU())
    assert Chain.from_network(nested, [1.0, 2.0], by="0.0.W").names == ("1.ReLU", "0.1.Tanh", "0.0.Affine/W")


# --- comparison ------------------------------------------------------------------------------------------


def test_comparison_in_every_form() -> None:
    comparison = compare(Chain.from_network(network(), np.ones(4)), measure=True, repeats=1)
    data = json.loads(json.dumps(comparison.to_dict()))
    rows = list(csv.DictReader(io.StringIO(comparison.to_csv())))
    assert [row["strategy"] for row in rows] == ["left", "right", "optimal"]
    for row, item, alternative in zip(rows, data["alternatives"], comparison.alternatives, strict=True):
        assert int(row["multiplications"]) == item["multiplications"] == alternative.multiplications
        assert alternative.multiplications == alternative.counted_multiplications
        assert alternative.additions == alternative.counted_additions
        assert alternative.seconds is not None
    assert comparison.to_markdown().count("\n") == 4
    assert comparison.to_html().count("<tr>") == 4
    assert comparison.best.multiplications == min(item.multiplications for item in comparison.alternatives)
    with pytest.raises(KeyError, match="strategy: found 'best', expected one of"):
        comparison["best"]


def test_integers_beyond_64_bits_stay_exact_in_json() -> None:
    comparison = compare(Chain.from_shapes([(2**40, 2**40), (2**40, 2**40)]))
    assert json.loads(json.dumps(comparison.to_dict()))["alternatives"][0]["multiplications"] == 2**120


# --- doors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: Chain([]), ValueError, "factors: found none, expected at least one"),
        (lambda: Chain(np.eye(2)), TypeError, "factors: found ndarray, expected a list"),
        (lambda: Chain([np.eye(2), np.eye(3)]), ValueError, r"and factors\[1\]: found shapes \(2, 2\) and \(3, 3\)"),
        (lambda: Chain([np.eye(2), np.ones(2)]), ValueError, r"factors\[1\]: A: found shape \(2,\), expected"),
        (lambda: Chain([np.eye(2) * 1j]), TypeError, r"factors\[0\]: A: found dtype complex128"),
        (lambda: Chain([np.eye(2)], names=["A", "B"]), ValueError, "names: found 2, expected one for each"),
        (lambda: Chain.from_shapes([(2, 0)]), ValueError, r"shapes\[0\]: found \(2, 0\), expected 2 sizes"),
        (lambda: Chain.from_shapes([(2, 2.5)]), TypeError, r"shapes\[0\]: found \(2, 2.5\), expected a pair"),
        (lambda: Chain.from_shapes([5]), TypeError, r"shapes\[0\]: found 5, expected a pair"),
        (lambda: Chain.from_specs([(2, 2)]), TypeError, r"specs\[0\]: found tuple, expected a Spec"),
        (lambda: Chain.from_network(np.eye(2), [1.0]), TypeError, "network: found ndarray, expected a Function"),
        (lambda: Chain.from_network(Tanh(), [1.0], 3), TypeError, "loss: found int, expected a Function"),
        (lambda: Chain.from_network(network(), np.ones(4), by="1.W"), ValueError, "by: found '1.W'"),
        (lambda: Chain.from_network(network(), np.ones(3)), ValueError, r"x: found shape \(3,\), expected \(4,\)"),
        (lambda: Chain.from_shapes([(1, 2)]).plan().execute(), ValueError, "chain: found specs without numbers"),
        (lambda: compare(Chain.from_shapes([(1, 2)]), []), ValueError, "strategies: found none"),
        (lambda: compare(Chain.from_shapes([(1, 2)]), repeats=0), ValueError, "repeats: found 0, expected an integer"),
    ],
)  # fmt: skip
def test_doors_say_what_was_found_and_expected(make: object, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        make()


def test_a_chain_takes_lists_arrays_and_jacobians() -> None:
    chain = Chain([[[1, 2]], Diagonal([3.0, 4.0]), np.eye(2), Dense([[1.0], [1.0]])])
    assert [spec.structure for spec in chain.specs] == ["Dense", "Diagonal", "Dense", "Dense"]
    assert_allclose(chain.plan().execute().jacobian.dense(), [[11.0]])
    assert chain.shape == (1, 1)
    assert repr(Chain.from_specs([Spec.identity(2)] * 20)).count("…") == 2


@pytest.mark.parametrize("strategy", ["left", "right", "optimal"])
def test_chains_of_thousands_of_factors(strategy: str) -> None:
    count = 1200 if strategy == "optimal" else 3000  # deeper than Python's stack
    random = np.random.default_rng(0)
    sizes = (
        [1, *random.permutation(np.arange(2, count + 2)).tolist()]
        if strategy == "optimal"
        else [2] * (count + 1)
    )
    if strategy == "optimal":
        plan = Chain.from_shapes(list(pairwise(sizes))).plan(strategy)
        # the smallest size stands at the end of all: each product from the left keeps it
        assert plan.cost.multiplications == sum(a * b for a, b in pairwise(sizes[1:]))
        assert len(plan.steps) == count - 1
        return
    matrices = random.standard_normal((count, 2, 2)) / 2
    plan = Chain(list(matrices)).plan(strategy)
    execution = plan.execute()
    assert execution.cost == plan.cost == Cost(8 * (count - 1), 4 * (count - 1))
    ordered = matrices if strategy == "left" else matrices[::-1]
    expected = ordered[0]
    for matrix in ordered[1:]:
        expected = expected @ matrix if strategy == "left" else matrix @ expected
    np.testing.assert_allclose(execution.jacobian.dense(), expected, rtol=1e-9, atol=0)


def test_the_example_of_a_bracketing_stays_short() -> None:
    chain = Chain.from_shapes([(2, 2)] * 40)
    with pytest.raises(ValueError, match=r"such as \(\(\(0, 1\), 2\), 3\) for 4 factors$"):
        chain.plan(((0, 1), 2))
