"""Functions that round to float16 or float32, inside or in what they return: noise and steps are those of that."""

import mpmath
import numpy as np
import pytest

from verification import check, finite_difference_jacobian, taylor_test
from verification.problem import Problem

W = np.array([[0.3, -1.2], [2.1, 0.7], [-0.4, 0.9]], dtype=np.float32)


def inside(dtype):
    return lambda x: np.array([float(np.tanh(dtype(float(t)))) for t in x])


def returned(dtype):
    return lambda x: np.tanh(x.astype(dtype))


def slopes(x):
    return np.diag(1 - np.tanh(x) ** 2)


def test_a_right_jacobian_in_float16_is_never_wrong():
    rng = np.random.default_rng(0)
    verdicts = []
    for _ in range(200):
        x = rng.normal(size=2).astype(np.float16)
        verdicts.append(check(np.tanh, x, slopes(x)).verdict)
        assert check(np.tanh, x, -slopes(x)).verdict == "wrong"
    assert "wrong" not in verdicts
    assert verdicts.count("right") > 180


@pytest.mark.parametrize("make", [inside, returned])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_right_jacobian_of_a_staircase_is_never_wrong_and_a_wrong_one_never_right(make, dtype):
    rng, f = np.random.default_rng(1), make(dtype)
    for x in rng.normal(size=(60, 2)) * rng.choice([0.1, 1, 3], size=(60, 1)):
        assert check(f, x, slopes(x)).verdict != "wrong"
        doubled = check(f, x, 2 * slopes(x)).verdict
        assert doubled != "right"
        if dtype == np.float32 and np.abs(x).max() < 2:
            assert doubled == "wrong"


@pytest.mark.parametrize("cast", [np.asarray, np.array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_forward_in_float32_is_judged_by_steps_of_float32(cast, dtype):
    f = lambda x: cast(x, dtype=np.float32) @ W.T  # noqa: E731
    x = np.array([0.3, -0.7], dtype=dtype)
    assert check(f, x, W).verdict == "right"
    assert check(f, x, 2 * W).verdict == "wrong"
    assert check(f, x, 2 * W, witnesses=["finite-difference"]).verdict == "wrong"
    assert np.allclose(finite_difference_jacobian(f, x), W, rtol=1e-3)


def test_the_precision_is_read_off_each_value():
    def f(x):
        return np.array(
            [x[0] / 3, float(np.float32(x[0] / 3)), float(np.float16(x[0] / 3)), 0.5, np.floor(x[0])]
        )

    eps = [float(np.finfo(dtype).eps) for dtype in (np.float64, np.float32, np.float16)]
    assert Problem(f, [1.7]).eps.tolist() == [
        *eps,
        eps[2],
        eps[2],
    ]  # 0.5 and 1 may be of float16, as another is
    assert Problem(lambda x: f(x)[[0, 3, 4]], [1.7]).eps.tolist() == eps[:1] * 3
    assert Problem(lambda x: x.astype(np.float16), [1.7]).eps.tolist() == eps[2:]
    assert Problem(f, [1.7], guessed=0.0).eps.tolist() == eps[:1] * 5


@pytest.mark.parametrize("name", ["float32", "float16"])
def test_entries_below_what_the_floats_of_f_hold_are_not_wrong_in_a_more_precise_jacobian(name):
    def softmax(x):
        e = np.exp(x - np.max(x))
        return (e / e.sum()).astype(name)

    for x in (np.array([200.0, 65.0, 66.0, -51.0]), np.array([0.0, -150.0, 90.0])):
        e = np.exp(x - x.max())
        p = e / e.sum()
        J = np.diag(p) - np.outer(p, p)  # most entries are far below the smallest number of f's floats
        assert check(softmax, x, J).verdict != "wrong"
        wrong = J.copy()
        wrong[0, 1] += 0.5
        assert check(softmax, x, wrong).verdict != "right"
    scaled = lambda x: (np.float32(1e-41) * np.sin(x)).astype(np.float32)  # noqa: E731
    assert check(scaled, [0.3, 1.0], 2e-41 * np.diag(np.cos([0.3, 1.0]))).verdict != "right"


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("name", ["tanh", "sigmoid", "a sum", "a multiple"])
def test_saturated_code_that_rounds_inside_and_returns_float64_makes_nothing_wrong(name, dtype):
    T = np.dtype(dtype).type
    f, slope = {
        "tanh": (np.tanh, lambda z: mpmath.sech(z) ** 2),
        "sigmoid": (lambda t: T(1) / (T(1) + np.exp(-t)), lambda z: mpmath.sech(z / 2) ** 2 / 4),
        "a sum": (lambda t: T(2) + np.exp(-t), lambda z: -mpmath.exp(-z)),
        "a multiple": (lambda t: T(7.3) * np.tanh(t), lambda z: 7.3 * mpmath.sech(z) ** 2),
    }[name]
    code = lambda x: np.array([float(f(T(float(t)))) for t in x])  # not traced  # noqa: E731
    for z in [*np.arange(2, 20, 3.5), 25.0, 100.0]:
        J = [[float(slope(mpmath.mpf(z)))]]
        assert check(code, [z], J).verdict != "wrong", z
        assert check(code, [z], J, witnesses=["finite-difference"]).verdict != "wrong", z
        assert taylor_test(code, [z], J).verdict != "wrong", z
    assert check(code, [0.8], [[-9 * float(slope(mpmath.mpf(0.8)))]]).verdict == "wrong"


def test_float64_code_is_not_taken_for_coarser():
    x = np.array([0.3, 1.7])
    assert Problem(lambda x: 0 * x + 0.1, x).eps.max() == 2.0**-52
    assert Problem(np.tanh, x * 20).eps.max() == 2.0**-52
