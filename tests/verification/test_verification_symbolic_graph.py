"""The chain rule along the graph of steps gives what differentiating whole entries gives, and what mpmath gives."""

import functools
import itertools

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from jacobians import GELU, Affine, LayerNorm, MaxPool, ReLU, Sequential, SiLU, Softmax, Tanh
from verification import certified_jacobian, check
from verification.problem import Problem
from verification.tracing.derivatives import SymbolicScalars, differentiated, kind
from verification.tracing.graph import Step, accumulate
from verification.tracing.scalars import UndecidedError
from verification.tracing.symbols import DIGITS, evaluate
from verification.witnesses.symbolic import differentiate, symbolic_jacobian, symbolic_value

RNG = np.random.default_rng(29)
NET = Sequential(
    Affine(RNG.normal(size=(3, 3)), RNG.normal(size=3)),
    Tanh(),
    Affine(RNG.normal(size=(2, 3)), None),
    Softmax(),
)
X = RNG.normal(size=3)


def network(sizes, *activations):
    layers = []
    for inner, outer, activation in itertools.zip_longest(sizes, sizes[1:], activations):
        if outer is not None:
            layers += [Affine(RNG.normal(size=(outer, inner)), RNG.normal(size=outer))]
            layers += [activation()] if activation else []
    return Sequential(*layers)


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


@pytest.mark.parametrize("activation", [Tanh, GELU, SiLU, ReLU])
def test_layer_by_layer_is_the_whole(activation):
    net = network([4, 8, 8, 4], activation, activation)
    x = RNG.normal(size=4)
    layers = zip(net, net.linearize(x).values, strict=False)
    factors = [symbolic_jacobian(layer, value).value for layer, value in layers]
    whole = symbolic_value(Problem(net, x)).matrix
    product = functools.reduce(lambda J, F: F @ J, factors)
    np.testing.assert_allclose(whole, product, rtol=1e-12, atol=1e-13 * np.abs(product).max())


def test_against_sympys_own_matrix_jacobian():
    net = network([3, 4, 2], Tanh)
    W1, b1, W2, b2 = (sympy.Matrix(value) for value in net.parameters.values())
    x = sympy.Matrix(sympy.symbols("x:3"))
    J = (W2 * (W1 * x + b1).applyfunc(sympy.tanh) + b2).jacobian(x)
    expected = np.array(sympy.lambdify([list(x)], J)(X), dtype=float)
    np.testing.assert_allclose(symbolic_value(Problem(net, X)).matrix, expected, rtol=1e-13)


FUNCTIONS = SymbolicScalars().functions()


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in ("divide", "power")])
def test_each_kind_of_step_against_mpmath(name):
    found = kind(name)
    with mpmath.workdps(DIGITS):
        at = mpmath.mpf("1.75" if name == "arccosh" else "0.375")
        assert abs(found.slopes[0](at) - mpmath.diff(found.value, at)) < mpmath.mpf(10) ** -20
    assert float(found.value(at)) == pytest.approx(
        getattr(np, name)(float(at)) if name != "erf" else float(mpmath.erf(at)), rel=1e-15
    )


@settings(max_examples=30, deadline=None)
@given(st.floats(0.25, 4), st.sampled_from([-2, -1, 0, 1, 2, 3, 0.5, -0.5, 2.75]))
def test_quotients_and_powers_against_mpmath(u, v):
    with mpmath.workdps(DIGITS):
        u, v = mpmath.mpf(u), mpmath.mpf(v)
        power, constant = kind("power"), kind("power", v)
        for slope, expected in zip(power.slopes, [(1, 0), (0, 1)], strict=True):
            assert slope(u, v) == pytest.approx(mpmath.diff(mpmath.power, (u, v), expected), abs=1e-15)
        assert constant.slopes[0](u) == pytest.approx(power.slopes[0](u, v), abs=1e-30)
        if v:
            divide = kind("divide")
            for slope, order in zip(divide.slopes, [(1, 0), (0, 1)], strict=True):
                assert slope(u, v) == pytest.approx(mpmath.diff(lambda a, b: a / b, (u, v), order), abs=1e-15)


@pytest.mark.parametrize("shape", [(2, 5), (5, 2)])
def test_both_directions_along_a_graph(shape):
    # from the outputs where they are fewer, from the inputs otherwise: against the product of matrices
    m, n = shape
    A, B = RNG.normal(size=(3, n)), RNG.normal(size=(m, 3))
    scalars = SymbolicScalars()
    x = np.array([scalars.variable(value) for value in RNG.normal(size=n)], dtype=object)
    constant = scalars.as_step(7)
    middle = [scalars.dot(row, x) for row in A]
    outputs = [*(scalars.dot(row, middle) for row in B), constant, x[0]]
    rows = accumulate(outputs, list(x), mpmath.mpf(0), mpmath.mpf(1))
    expected = np.vstack([B @ A, np.zeros(n), np.eye(n)[0]])
    np.testing.assert_allclose(np.array(rows, dtype=float), expected, rtol=1e-12, atol=1e-14)


def test_a_power_by_a_constant_has_a_derivative_at_0():
    f = lambda x: x**2 + x**3.0 + 2 * x**1 + x**0 + x**1.5  # noqa: E731
    assert symbolic_jacobian(f, 0.0).value.tolist() == [[2.0]]


def test_constants_have_no_part_in_the_graph():
    scalars = SymbolicScalars()
    x = scalars.variable(2.0)
    for constant in (0 * x, x - x, scalars.as_step(3) * 4, True * scalars.as_step(1)):
        assert isinstance(constant, Step)
        assert (constant.place, len(constant.parents)) == (-1, 0)


# --- comparisons on their boundary ---------------------------------------------------------------------------


def if_positive(x):
    return x**3 if x[0] > 0 else -(x**2)


def at_places(x):
    return x[np.argmax(x)] ** 2 + 0 * x


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (lambda x: np.maximum(x, 0) ** 2, [0.0, 2.0], [[0, 0], [0, 4]]),
        (lambda x: np.where(x > 0, np.sin(x), x), [0.0, -1.0], [[1, 0], [0, 1]]),
        (if_positive, [0.0], [[0]]),  # the two branches fit
        (lambda x: np.abs(x) * x, [0.0], [[0]]),
        (lambda x: np.maximum(np.maximum(x, 0), 0), [-1.0], [[0]]),  # 0 and 0 are constants, and no tie
    ],
)
def test_pieces_that_fit(f, x, expected):
    assert symbolic_value(Problem(f, x)).matrix.tolist() == expected


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: np.where(x >= 0, x, 2 * x), [0.0]),
        (lambda x: x * 2 if x[0] > 0 else x * 3, [0.0]),
        (at_places, [1.0, 1.0]),
        (lambda x: np.where(x**2 > 0, x, 0), [0.0]),
        (lambda x: x[x >= 0], [0.0, 1.0]),
        (lambda x: np.sum(np.where(x > 0, x, 2 * x)), np.zeros(12)),
        (lambda x: np.sum(np.where(x > 0, x**2, 2 * x**2)), np.zeros(12)),
        (lambda x: np.linalg.norm(x), [0.0, 0.0]),
    ],
)
def test_pieces_that_do_not_fit(f, x):
    with pytest.raises(UndecidedError, match=r"^kink at the point: "):
        symbolic_value(Problem(f, x))


def test_dead_units_that_tie_are_no_kink():
    net = Sequential(ReLU(), MaxPool(2))
    x = np.array([-1.0, -2.0, 3.0, 1.0])
    assert symbolic_value(Problem(net, x)).matrix.tolist() == [[0, 0, 0, 0], [0, 0, 1, 0]]


def test_a_branch_that_is_not_taken_may_be_singular():
    report = check(lambda t: np.where(t > 0, 1 / t, t), [0.0 - 1.0, 2.0], np.diag([1.0, -0.25]))
    assert "symbolic" in report.agreeing
    f = lambda x: np.where(x[0] > 0, 1 / x[1], x[1])  # noqa: E731
    assert symbolic_value(Problem(f, [-1.0, 0.0])).matrix.tolist() == [[0.0, 1.0]]


# --- size ------------------------------------------------------------------------------------------------------


def test_a_whole_network_of_relus():
    net = network([16, 24, 16, 5], ReLU, ReLU)
    x = RNG.normal(size=16)
    for wrt in ("input", "0.W", "2.b"):
        report = check(net, x, wrt=wrt, witnesses=["symbolic"])
        assert report.passed, report


def test_matrices_too_large_to_expand():
    A = RNG.normal(size=(10, 10))
    B = np.linalg.inv(A)
    found = symbolic_value(Problem(lambda x: np.linalg.inv(x[0] * A)[0], [2.0])).matrix
    np.testing.assert_allclose(found[:, 0], -B[0] / 4, rtol=1e-10)


def test_the_derivative_of_a_singular_determinant():
    A = np.array([[1.0, 2.0], [2.0, 4.0]])
    assert symbolic_value(Problem(np.linalg.det, A)).matrix.tolist() == [[4.0, -2.0, -2.0, 1.0]]


def test_the_steps_are_differentiated_numbers_of_many_digits():
    with mpmath.workdps(DIGITS):
        ((entry,),), _ = differentiated(Problem(np.tanh, 25.0))
        assert abs(entry - mpmath.sech(25) ** 2) < mpmath.mpf(10) ** -45


def test_the_report_says_what_sympy_took():
    for f in (NET, Sequential(ReLU(), LayerNorm())):
        (witness,) = [w for w in check(f, X).witnesses if w.name == "symbolic"]
        assert witness.status == "agrees"
        assert witness.reason.startswith("sympy took ")


def test_enclosures_are_sharp_where_hundreds_of_digits_cancel():
    z = np.array([3.0, 270.0, 345.0])
    # the quotient rule subtracts numbers that agree in 2·345/log 10 digits
    enclosure = certified_jacobian(lambda z: (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z)), z)
    with mpmath.workdps(60):
        for place, value in enumerate(z.tolist()):
            slope = mpmath.sech(mpmath.mpf(value)) ** 2
            middle, radius = (float(part[place, place]) for part in enclosure)
            assert radius <= 1e-12 * slope
            assert abs(mpmath.mpf(middle) - slope) <= radius


# --- what is left of terms that cancel ---------------------------------------------------------------------


@pytest.mark.parametrize("z", [20.0, 59.0, 60.0, -62.0, 200.0, 350.0])
@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (np.tanh, lambda z: mpmath.sech(z) ** 2),
        (lambda x: np.log(1 - np.tanh(x) ** 2), lambda z: -2 * mpmath.tanh(z)),
        (lambda x: x - np.tanh(x) - x, lambda z: -(mpmath.sech(z) ** 2)),
        (
            lambda x: np.tanh(x) - 1 / (1 + np.exp(-x)),
            lambda z: mpmath.sech(z) ** 2 - mpmath.sech(z / 2) ** 2 / 4,
        ),
        (lambda x: (1 + np.tanh(x)) * (1 - np.tanh(x)), lambda z: -2 * mpmath.tanh(z) * mpmath.sech(z) ** 2),
    ],
)
def test_what_is_left_of_digits_that_cancel_is_found(f, slope, z):
    with mpmath.workdps(1000):
        truth = float(slope(mpmath.mpf(z)))
    (found,) = differentiated(Problem(f, [z])).rows[0]
    assert float(found) == pytest.approx(truth, rel=1e-12, abs=0)


@pytest.mark.parametrize("z", [60.0, 100.0, 200.0, 350.0])
def test_symbols_alone_tell_a_tiny_derivative_from_0(z):
    J = [[float(np.cosh(z)) ** -2.0]]
    zero = check(np.tanh, [z], [[0.0]], witnesses=["symbolic"])
    assert zero.verdict != "right"
    assert check(np.tanh, [z], J, witnesses=["symbolic"]).verdict in ("right", "undecided")
    if z < 300:  # where the last bit of what a float rounds of 1 − tanh² is no subnormal number
        assert zero.verdict == "wrong"
        assert check(np.tanh, [z], J, witnesses=["symbolic"]).verdict == "right"


def test_what_underflows_is_0_and_a_zero_is_not_looked_for_in_vain():
    assert check(np.tanh, [400.0], [[0.0]], witnesses=["symbolic"]).verdict == "right"
    found = differentiated(Problem(lambda x: np.maximum(x, 0) * np.array([1.0, 0.0]), [2.0, 3.0])).rows
    assert [[float(entry) for entry in row] for row in found] == [[1.0, 0.0], [0.0, 0.0]]
