"""Matrix-free chains against the published optima, exhaustive search, and dense products."""

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import backprop
from backprop import Chain

DATA = Path(backprop.__file__).parent / "data" / "chains"
INSTANCES = {  # all tangent, all adjoint, preaccumulation and best product, optimum
    "p_3_3.1": (150, 100, 108 + 15, 56),
    "p_10_10.1": (3_708, 5_562, 2_210 + 408, 1_344),
    "p_100_100.1": (3_677_565, 44_866_293, 40_301_216 + 579_780, 1_471_636),
    "p_500_500.1": (21_306_718_862, 19_518_742_454, 18_146_394_053 + 61_171_356, 149_147_898),
    "problem_dense10": (296, 2_072, 632 + 147, 296),
    "problem_dense50": (839_925, 604_746, 616_978 + 123_540, 135_228),
    "problem_dense100": (19_160_886, 21_611_697, 8_793_605 + 240_741, 231_143),
}


@pytest.mark.parametrize("name", INSTANCES)
def test_the_published_instances_cost_what_was_published(name):
    lines = (DATA / name).read_text(encoding="utf-8").split("\n")[1:]
    chain = Chain.matrix_free([tuple(map(int, line.split())) for line in reversed(lines) if line.strip()])
    strategies = ("tangent", "adjoint", "preaccumulation", "optimal")
    assert tuple(chain.plan(strategy).cost.fma for strategy in strategies) == INSTANCES[name]


def test_all_published_optima_are_reproduced():
    with (DATA / "matrix_free_chains.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    assert len(rows) == 800
    for length, factors, cost in rows:
        numbers = list(map(int, factors.split()))
        triples = [tuple(numbers[k : k + 3]) for k in range(0, len(numbers), 3)]
        assert len(triples) == int(length)
        assert Chain.matrix_free(triples[::-1]).plan().cost.fma == int(cost)


def every_way(factors, limit):
    """Return the least cost by plain recursion over all plans."""

    @cache
    def best(i, j):
        if i == j:
            m, n, edges = factors[i]
            return edges * (min(m, n) if limit is None or edges <= limit else n)
        found = []
        for k in range(i, j):
            left, right = sum(f[2] for f in factors[i : k + 1]), sum(f[2] for f in factors[k + 1 : j + 1])
            found.append(best(i, k) + best(k + 1, j) + factors[i][0] * factors[k][1] * factors[j][1])
            found.append(best(k + 1, j) + factors[j][1] * left)
            if limit is None or right <= limit:
                found.append(best(i, k) + factors[i][0] * right)
        return min(found)

    return best(0, len(factors) - 1)


def random_factors(rng, count):
    sizes = rng.integers(1, 6, count + 1)
    return [(int(sizes[k]), int(sizes[k + 1]), int(rng.integers(1, 40))) for k in range(count)]


@pytest.mark.parametrize("count", range(1, 7))
def test_a_tape_limit_is_kept_at_the_least_cost(count):
    rng = np.random.default_rng(count)
    for _ in range(20):
        factors = random_factors(rng, count)
        for limit in (None, 0, 20, 50):
            assert Chain.matrix_free(factors, tape_limit=limit).plan().cost.fma == every_way(factors, limit)


@pytest.mark.parametrize("strategy", ["optimal", "tangent", "adjoint", "preaccumulation"])
def test_executed_chains_are_the_dense_product_at_the_planned_cost(strategy):
    rng = np.random.default_rng(5)
    for _ in range(10):
        factors = random_factors(rng, 5)
        matrices = [rng.standard_normal(factor[:2]) for factor in factors]
        pairs = [
            (*factor, (lambda v, A=A: A @ v, lambda u, A=A: A.T @ u))
            for factor, A in zip(factors, matrices, strict=True)
        ]
        plan = Chain.matrix_free([*pairs, np.ones((factors[-1][1], 2))]).plan(strategy)
        jacobian, counted = plan.execute()
        truth = np.linalg.multi_dot([*matrices, np.ones((factors[-1][1], 2))])
        np.testing.assert_allclose(jacobian, truth, rtol=1e-12, atol=1e-12)
        assert counted == plan.cost.fma


def test_junk_is_refused_by_name():
    with pytest.raises(
        ValueError, match=r"factors\[0\]: found 3 inputs before 4 outputs, expected equal numbers"
    ):
        Chain.matrix_free([(2, 3, 1), (4, 1, 1)])
    with pytest.raises(TypeError, match=r"factors\[0\]: found 'x', expected \(m, n, tape_edges\)"):
        Chain.matrix_free(["x"])
    with pytest.raises(ValueError, match="no functions"):
        Chain.matrix_free([(2, 3, 1)]).plan().execute()


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (lambda v: v[:1], r"factors\[0\]: J v: found a result of shape \(1,\), expected \(2,\)"),
        (lambda v: v[:2, None], r"factors\[0\]: J v: found a result of shape \(2, 1\), expected \(2,\)"),
        (
            lambda v: None,
            r"factors\[0\]: J v: found None, expected an array of real numbers; it was returned",
        ),
        (lambda v: v[:2] * 1j, r"factors\[0\]: J v: found dtype complex128, expected real numbers"),
        (lambda v: "ab", r"factors\[0\]: J v: found str"),
    ],
)
def test_what_a_function_returns_is_a_vector_of_its_size(returned, words):
    chain = Chain.matrix_free([(2, 3, 5, (returned, lambda u: np.zeros(3))), np.ones((3, 2))])
    with pytest.raises((TypeError, ValueError), match=words):
        chain.plan("tangent").execute()


def test_what_an_adjoint_returns_is_a_vector_of_its_size():
    chain = Chain.matrix_free([np.ones((1, 2)), (2, 3, 5, (lambda v: v[:2], lambda u: u))])
    with pytest.raises(
        ValueError, match=r"factors\[1\]: Jᵀ u: found a result of shape \(2,\), expected \(3,\)"
    ):
        chain.plan("adjoint").execute()


@pytest.mark.parametrize("entry", [np.nan, np.inf])
def test_matrices_that_are_not_finite_are_refused(entry):
    with pytest.raises(
        ValueError, match=r"factors\[1\]: found NaN or infinity in a matrix of shape \(3, 2\)"
    ):
        Chain.matrix_free([(2, 3, 5), np.full((3, 2), entry)])


def test_plans_of_programs_say_what_is_done():
    plan = Chain.matrix_free([(2, 3, 5), (3, 2, 5)]).plan()
    assert repr(plan) == "<MatrixFreePlan optimal: 2 factors, 2 steps, 20 fused multiply-adds>"
    assert str(plan).splitlines()[1:] == [
        "    1  accumulate factors 1 to 1  10",
        "    2  tangent factors 0 to 1  10",
    ]
