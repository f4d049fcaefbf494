"""What rounding may do to a right Jacobian: enough that none is called wrong, and no more."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jacobians import (
    GELU,
    Affine,
    LayerNorm,
    LogSoftmax,
    LogSumExp,
    Norm,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    SquaredNorm,
    Tanh,
)
from jacobians.layers.activations import ACTIVATIONS
from verification import check
from verification.causes import Cause
from verification.problem import Problem
from verification.report import SENTENCES
from verification.tracing.rounding import Sized, SizedScalars, sizes

HEADS = [None, Softmax, LogSoftmax, LogSumExp, Norm, SquaredNorm]
NUMERIC = ["finite-difference", "complex-step", "certified"]


def random_network(seed):
    """Return a network, saturated or not, and a point."""
    rng = np.random.default_rng(seed)
    depth = int(rng.integers(1, 5))
    widths = rng.integers(1, 6, size=depth + 1)
    scale = 10.0 ** rng.uniform(-2, 1)
    layers = []
    for k in range(depth):
        layers.append(
            Affine(rng.normal(size=(widths[k + 1], widths[k])) * scale, rng.normal(size=widths[k + 1]))
        )
        layers.append(list(ACTIVATIONS.values())[rng.integers(len(ACTIVATIONS))]())
    head = HEADS[rng.integers(len(HEADS))]
    if head is not None:
        layers.append(head())
    x = rng.normal(size=widths[0]) * 10.0 ** rng.uniform(-3, 1)
    net = Sequential(*layers)
    return net, x, str(rng.choice(["input", *net.parameters]))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**9))
def test_no_right_jacobian_of_a_random_network_is_called_wrong(seed):
    net, x, wrt = random_network(seed)
    report = check(net, x, wrt=wrt, witnesses=NUMERIC)
    assert report.passed or report.cause == Cause.ROUNDING, f"{net} by {wrt}\n{report}"


def test_few_right_jacobians_of_random_networks_cannot_be_told_from_rounding():
    verdicts = []
    for seed in range(200):
        net, x, wrt = random_network(seed)
        verdicts.append(check(net, x, wrt=wrt).verdict)
    assert verdicts.count("wrong") == 0
    assert verdicts.count("undecided") <= 6


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**9))
def test_a_thousandth_is_seen_unless_all_of_it_is_rounding(seed):
    net, x, wrt = random_network(seed)
    J = net.jacobian(x, wrt).dense()
    terms = sizes(Problem(net, x, wrt)).derivatives
    if (np.abs(J) > 1e-9 * terms).any():
        assert check(net, x, 1.001 * J, wrt=wrt, witnesses=NUMERIC).verdict == "wrong"


@pytest.mark.parametrize(
    ("f", "x", "usual"),
    [
        (np.tanh, 8.0, lambda z: 1 - np.tanh(z) ** 2),
        (lambda z: 1 / (1 + np.exp(-z)), 20.0, lambda z: 1 / (1 + np.exp(-z)) * (1 - 1 / (1 + np.exp(-z)))),
        (lambda z: np.log(np.exp(z) + 1), 0.5, lambda z: np.exp(z) / (1 + np.exp(z))),
        (lambda z: np.sin(1e6 * z), 0.7, lambda z: 1e6 * np.cos(1e6 * z)),
    ],
)
def test_formulas_that_lose_digits_are_right(f, x, usual):
    report = check(f, x, [[usual(x)]])
    assert report.passed, str(report)


@pytest.mark.parametrize(
    ("f", "x", "usual"),
    [
        (np.tanh, 18.0, lambda z: 1 - np.tanh(z) ** 2),  # 8.9e-16, not 9.3e-16
        (lambda z: 1 / (1 + np.exp(-z)), 36.0, lambda z: 1 / (1 + np.exp(-z)) * (1 - 1 / (1 + np.exp(-z)))),
        (np.tanh, 30.0, lambda z: 1 - np.tanh(z) ** 2),  # 0
    ],
)
def test_formulas_that_lose_all_digits_are_wrong_for_a_reason(f, x, usual):
    report = check(f, x, [[usual(x)]])
    assert report.verdict == "wrong"
    assert report.reason.endswith(
        "no entry is right to 1e-3: a formula that cancels here, as 1 − tanh² does, or a wrong one"
    )
    differences = check(f, x, [[usual(x)]], witnesses=["finite-difference", "complex-step"])
    assert differences.verdict == "undecided"  # they carry rounding themselves
    accurate = 1 / np.cosh(x) ** 2 if f is np.tanh else np.exp(-x) / (1 + np.exp(-x)) ** 2
    assert check(f, x, [[accurate]]).verdict == "right"
    assert check(f, x, [[1.001 * accurate]]).verdict == "wrong"
    assert check(f, x, [[1.0]]).verdict == "wrong"


def test_what_cancels_in_the_chain_rule_is_neither_right_nor_wrong():
    def f(z):
        return (np.exp(z) - np.exp(-z)) / (
            np.exp(z) + np.exp(-z)
        )  # two terms of size 1 cancel in its derivative

    report = check(f, 18.0, [[1 - np.tanh(18.0) ** 2]])
    assert report.verdict == "undecided"
    assert report.reason.endswith(SENTENCES[Cause.OFF_EVERYWHERE])


@pytest.mark.parametrize("seed", range(20))
def test_a_thousandth_is_wrong_in_single_precision_too(seed):
    rng = np.random.default_rng(seed)
    W, V = (rng.normal(size=shape).astype(np.float32) for shape in ((4, 5), (4, 4)))
    hidden = [Sigmoid, Tanh, GELU][seed % 3]()
    net = Sequential(Affine(W, rng.normal(size=4).astype(np.float32)), hidden, Affine(V, None), Softmax())
    x = rng.normal(size=5).astype(np.float32)
    J = net.jacobian(x).dense()
    signs = rng.choice([-1, 1], size=J.shape)
    assert check(net, x, witnesses=NUMERIC).verdict == "right"
    assert check(net, x, (J * (1 + 1e-3 * signs)).astype(np.float32), witnesses=NUMERIC).verdict == "wrong"


def test_what_underflows_in_single_precision_is_not_wrong():
    steep = Affine(
        np.array([[-30.0]], dtype=np.float32), np.array([-73.0], dtype=np.float32)
    )  # σ′ is 1.8e-45
    net = Sequential(steep, Sigmoid(), Affine(np.array([[5.0]], dtype=np.float32), None))
    report = check(net, np.array([1.0], dtype=np.float32), wrt="0.b", witnesses=NUMERIC)
    assert report.verdict != "wrong", str(report)


def test_terms_of_a_softmax_are_not_many_times_its_entries():
    x = np.array([1.0, 2.0, -3.0, 4.0])
    found = sizes(Problem(lambda x: np.exp(x - 4) / np.exp(x - 4).sum(), x)).derivatives
    p = np.exp(x) / np.exp(x).sum()
    assert (found >= np.diag(p) + np.outer(p, p) - 1e-12).all()
    assert (found <= 20).all()


@pytest.mark.parametrize("seed", range(20))
def test_a_thousandth_behind_saturated_units_is_wrong(seed):
    rng = np.random.default_rng(seed)
    hidden = [Sigmoid, Tanh, GELU][seed % 3]()
    net = Sequential(
        Affine(5 * rng.normal(size=(3, 2)), rng.normal(size=3)), hidden, Affine(rng.normal(size=(2, 3)))
    )
    x = 1 + rng.random(2)
    J = net.jacobian(x).dense()
    signs = rng.choice([-1, 1], size=J.shape)
    assert check(net, x, witnesses=NUMERIC).verdict == "right"
    assert check(net, x, J * (1 + 1e-3 * signs), witnesses=NUMERIC).verdict == "wrong"


@pytest.mark.parametrize("witness", ["finite-difference", "complex-step", "certified"])
def test_what_a_witness_cannot_confirm_is_not_right(witness):
    # beside the constant 1 differences see the derivative 1e-20 as 0, and every candidate of its size as junk
    report = check(lambda x: 1 + 1e-20 * x, [1.0], [[1.001e-20]], witnesses=[witness])
    assert report.verdict == ("undecided" if witness == "finite-difference" else "wrong"), str(report)


def test_softmax_of_a_certain_class():
    # diag(p) − p pᵀ cancels where p is 1 but for 1e-15, and the usual formula leaves rounding there
    x = np.array([34.0, 0.0, -1.0])
    p = np.exp(x) / np.exp(x).sum()
    f = lambda x: np.exp(x) / np.exp(x).sum()  # noqa: E731
    usual = np.diag(p) - np.outer(p, p)
    report = check(f, x, usual)
    assert (report.verdict, report.cause) == ("undecided", Cause.ROUNDING)
    assert report.reason.endswith("1 of 9 entries can't be told from rounding")
    accurate = usual.copy()
    accurate[0, 0] = p[0] * (p[1] + p[2])
    assert check(f, x, accurate).passed


@pytest.mark.parametrize("candidate", [0.0, 0.999e-9])
def test_a_large_constant_does_not_hide_a_small_derivative(candidate):
    def f(x):
        return 1e9 + 1e-9 * np.sin(x)

    assert check(f, 0.0, [[candidate]]).verdict == "wrong"
    assert check(f, 0.0, [[1e-9]]).verdict == "right"


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: 1e6 + 1e-6 * np.sin(x), 0.3),  # seen above the rounding of 1e6, though not to three digits
        (lambda x: np.sin(1e8 * x), 0.3),  # faster than any step
        (lambda x: np.sin(3e6 * x), 0.3),  # the large steps agree on 145 by chance
    ],
)
def test_differences_alone_do_not_confirm_a_zero(f, x):
    assert check(f, x, [[0.0]], witnesses=["finite-difference"]).verdict != "right"
    assert check(f, x, [[0.0]]).verdict == "wrong"
    assert check(lambda x: 1e6 + 0 * x, x, [[0.0]], witnesses=["finite-difference"]).verdict == "right"


def test_sizes_are_sums_over_paths():
    x = np.array([0.3, -1.0, 2.0])
    p = np.exp(x) / np.exp(x).sum()
    found = sizes(Problem(lambda x: x - np.log(np.exp(x).sum()), x)).derivatives
    assert (found >= np.eye(3) + p).all()  # |I| + |1 pᵀ|, where the Jacobian is I − 1 pᵀ
    assert (found <= 20).all()


def test_sizes_scale_with_the_function():
    f = lambda x: np.tanh(np.array([[1.0, 2.0], [3.0, -1.0]]) @ x) ** 2  # noqa: E731
    one = sizes(Problem(f, [0.1, 0.2])).derivatives
    tiny = sizes(Problem(lambda x: 1e-9 * f(x), [0.1, 0.2])).derivatives
    assert (tiny <= 4e-9 * one).all()
    assert (tiny > 0).all()


def test_the_noise_of_code_that_computes_in_single_precision():
    double = Problem(lambda x: np.sin(x) + 2, [0.3, 1.0]).noise
    single = Problem(lambda x: (np.sin(x.astype(np.float32)) + 2).astype(float), [0.3, 1.0]).noise
    assert (double < 1e-14).all()
    assert (double >= 2.2e-16 * 2).all()
    assert single.max() > 1e-8


def test_single_precision_inside_does_not_make_a_right_jacobian_wrong():
    f = lambda x: np.sin(x.astype(np.float32)).astype(float)  # noqa: E731
    x = np.array([0.25, 1.0])
    assert check(f, x, np.diag(np.cos(x)), witnesses=["finite-difference"]).verdict != "wrong"
    assert check(f, x, np.diag(2 * np.cos(x)), witnesses=["finite-difference"]).verdict == "wrong"


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("h", [1, 2])
def test_a_norm_of_nothing_that_varies_has_rounding_too(h, dtype):
    W = np.linspace(1.0, 5.0, 4 * h).reshape(h, 4).astype(dtype)
    net = Sequential(
        Affine(10 * W, None), Tanh(), LayerNorm()
    )  # saturated: x̂ is exactly 0, its Jacobian is rounding
    report = check(net, np.array([1.0, 0.3, 0.5, 0.7], dtype=dtype) * W[0], witnesses=["finite-difference"])
    assert report.verdict != "wrong", str(report)
    one = Sequential(Affine(W[:1] / 10, None), Tanh(), LayerNorm())
    zeros = np.zeros((1, 4), dtype=dtype)
    assert check(
        one, np.array([1.0, -0.3, 0.5, 0.1], dtype=dtype), zeros, witnesses=["finite-difference"]
    ).passed
    candidate = np.full((1, 4), 1e-3)
    assert check(one, np.array([1.0, -0.3, 0.5, 0.1]), candidate).verdict == "wrong"


def test_the_values_before_a_parameter_carry_rounding_into_its_derivative():
    x = np.array([0.12787473], dtype=np.float32)
    before = Affine(np.array([[1.2343357]], np.float32), np.array([-0.2863023], np.float32))
    net = Sequential(  # the residual block cancels to 1e-4, with the rounding of 0.1
        Residual(Sequential(before, Tanh())), Affine(np.array([[-1.0], [1.5]], np.float32), None), Softmax()
    )
    found = sizes(Problem(net, x, "1.W", dtype=np.float64)).derivatives
    assert found.min() > 0.02  # not 1e-4: eps times this is what the value before has lost
    assert check(net, x, wrt="1.W", witnesses=["finite-difference"]).verdict == "right"


def test_what_underflowed_in_a_factor_is_not_wrong_when_it_has_grown():
    x = np.array([1.0])
    right, found = (
        6.1e-44,
        np.float32(4.2e-44),
    )  # a factor of 1.4e-45·43.5, rounded to 1.4e-45·30 before it grew
    assert check(lambda x: right * x, x, np.array([[found]])).verdict == "undecided"
    assert (
        check(lambda x: right * x, x, np.array([[float(found)]])).verdict == "wrong"
    )  # float64 has digits there


def test_what_underflows_in_float32_is_not_wrong_in_it_and_is_wrong_in_float64():
    x = np.array([1.0, 3.0])
    tiny = np.diag([1e-66, 2e-60])

    def f(x):
        return tiny @ x

    assert check(f, x, np.zeros((2, 2), dtype=np.float32)).verdict != "wrong"
    assert check(f, x, np.zeros((2, 2))).verdict == "wrong"
    assert check(lambda x: 1e-36 * x, x, np.zeros((2, 2), dtype=np.float32)).verdict == "wrong"


# --- all entries of a product at once -------------------------------------------------------------------


def random_sized(rng, shape, n):
    """Return sized numbers, some of them constants."""
    entries = np.empty(shape, dtype=object)
    for place in np.ndindex(*shape):
        value = float(rng.normal())
        constant = rng.random() < 0.3
        entries[place] = (
            Sized(value)
            if constant
            else Sized(value, *(part for part in (rng.random(n), rng.random(), rng.random(n))))
        )
    return entries


def parts(number):
    return [np.broadcast_to(part, 3) for part in (number.value, number.size, number.error, number.drift)]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((4,), (4,)),
        ((2, 4), (4,)),
        ((4,), (4, 3)),
        ((2, 4), (4, 3)),
        ((5, 2, 4), (4, 3)),
        ((2, 1), (5, 1, 3)),
    ],
)
def test_a_matrix_product_is_that_of_products_and_sums(left, right):
    rng = np.random.default_rng(len(left) + 10 * len(right))
    a, b = random_sized(rng, left, 3), random_sized(rng, right, 3)
    expected = np.asarray(np.matmul(a, b), dtype=object)  # entry by entry, by the operators
    found = np.asarray(SizedScalars().matmul(a, b), dtype=object)
    assert found.shape == expected.shape
    for one, other in zip(found.ravel(), expected.ravel(), strict=True):
        np.testing.assert_allclose(parts(one), parts(other), rtol=1e-13)


def test_constants_alone_have_a_product_without_sizes():
    rng = np.random.default_rng(0)
    a, b = random_sized(rng, (2, 3), 1), np.array([1.0, True, 2.0], dtype=object)
    for entry in a.ravel():
        entry.size = entry.drift = 0.0
    found = SizedScalars().matmul(a, b)
    assert [float(entry.value) for entry in found] == pytest.approx(
        [row[0].value + row[1].value + 2 * row[2].value for row in a]
    )
    assert all(np.all(entry.size == 0) for entry in found)
