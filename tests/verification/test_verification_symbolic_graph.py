"""The chain rule on the graph of subexpressions gives what differentiating entry by entry gives."""

import mpmath
import numpy as np
import pytest
import sympy

from jacobians import Affine, LayerNorm, ReLU, Sequential, Softmax, Tanh
from verification import check
from verification.problem import Problem
from verification.symbolic import differentiate, symbolic_value
from verification.symbols import DIGITS, evaluate, graph_jacobian

RNG = np.random.default_rng(29)
NET = Sequential(
    Affine(RNG.normal(size=(3, 3)), RNG.normal(size=3)),
    Tanh(),
    Affine(RNG.normal(size=(2, 3)), None),
    Softmax(),
)
X = RNG.normal(size=3)
x, y = sympy.symbols("x y", real=True)


@pytest.mark.parametrize("wrt", ["input", *NET.parameters])
def test_a_network_by_everything(wrt):
    problem = Problem(NET, X, wrt, dtype=np.float64)
    symbols = differentiate(problem)
    stem = "x" if wrt == "input" else wrt.replace(".", "_")
    point = {
        sympy.Symbol("_".join([stem, *map(str, index)]), real=True): float(problem.point[index])
        for index in np.ndindex(*problem.point.shape)
    }
    entries = np.array([float(value) for value in evaluate(list(symbols.matrix), point)]).reshape(
        problem.shape
    )
    np.testing.assert_allclose(symbolic_value(problem).matrix, entries, rtol=1e-15, atol=0)


@pytest.mark.parametrize(
    "values",
    [
        [sympy.exp(x * y) * sympy.sin(x * y), x * y],
        [sympy.Piecewise((sympy.log(x + y), x > 0), (x**2, True)), sympy.log(x + y)],
        [sympy.sqrt((x + y) ** 2 + 1) / (x + y), sympy.Integer(3), y],
        [sympy.tanh(sympy.tanh(x + y)) ** 3 + sympy.tanh(x + y)],
    ],
)
def test_shared_subexpressions_in_many_digits(values):
    point = {x: 0.75, y: 1.5}
    found = graph_jacobian(values, point)
    expected = evaluate([sympy.diff(value, symbol) for value in values for symbol in point], point)
    with mpmath.workdps(DIGITS):
        for one, two in zip(found, expected, strict=True):
            assert abs(one - two) <= 1e-45 * max(1, abs(two))


def test_a_branch_without_a_value_is_left_to_the_entries():
    assert graph_jacobian([sympy.Piecewise((1 / x, x > 0), (y, True)), 1 / x], {x: 0.0, y: 1.0}) is None
    report = check(lambda t: np.where(t > 0, 1 / t, t), [0.0 - 1.0, 2.0], np.diag([1.0, -0.25]))
    assert "symbolic" in report.agreeing


def test_the_report_says_what_sympy_took():
    for f in (NET, Sequential(ReLU(), LayerNorm())):
        (witness,) = [w for w in check(f, X).witnesses if w.name == "symbolic"]
        assert witness.status == "agrees"
        assert witness.reason.startswith("sympy took ")
