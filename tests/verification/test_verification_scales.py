"""Every status at its own noise and power: entries from 1e-300 to 1e300, entries that are 0, float32, pure rounding."""

import mpmath
import numpy as np
import pytest

from jacobians import Affine, Norm, Normalize, SquaredNorm
from jacobians.numerics.arrays import MemoryBudgetError
from jacobians.structures import Dense
from verification import (
    block_jacobian,
    certified_jacobian,
    check,
    finite_difference_jacobian,
    symbolic_jacobian,
)
from verification.causes import Cause
from verification.problem import Problem
from verification.witnesses.adjoint import adjoint_test
from verification.witnesses.finite_difference import richardson_jacobian
from verification.witnesses.taylor import taylor_test

SCALES = [1.0, 1e100, 1e155, 1e160, 1e300, 1e-160, 1e-200, 1e-300]
A = np.array([[1.0, 2.0], [3.0, 5.0]])
X = np.array([0.3, 1.0])


class Scaled:
    shape, dtype = (2, 2), np.dtype(float)

    def __init__(self, scale, factor):
        self.scale, self.factor = scale, factor

    def matvec(self, v):
        return self.scale * (A @ v)

    def rmatvec(self, u):
        return self.factor * self.scale * (A.T @ u)


@pytest.mark.parametrize("scale", SCALES)
def test_transposes_are_told_from_broken_ones_at_every_scale(scale):
    assert adjoint_test(Scaled(scale, 1.0))
    assert not adjoint_test(Scaled(scale, 3.0))
    assert adjoint_test(Scaled(scale, 3.0)).decided


def test_products_that_overflow_decide_nothing():
    result = adjoint_test(Scaled(1.7e308, 1.0))
    assert (result.passed, result.decided) == (False, False)
    with np.errstate(all="raise"):
        assert not adjoint_test(Scaled(1.7e308, 3.0)).decided


@pytest.mark.parametrize("found", [np.eye(2), np.ma.masked_less(np.eye(2), 1), 3, "J", None])
def test_adjoint_tests_take_maps_only(found):
    with pytest.raises(
        TypeError, match=r"^jacobian: found .*, expected a Jacobian or a map with shape, matvec and"
    ):
        adjoint_test(found)


def test_adjoint_tests_name_a_batch():
    with pytest.raises(
        ValueError, match=r"^jacobian: found a batch of shape \(3,\), expected the map of one point"
    ):
        adjoint_test(Dense(np.ones((3, 2, 2))))


@pytest.mark.parametrize("scale", SCALES)
def test_taylor_remainders_at_every_scale(scale):
    f = lambda x: scale * np.sin(x)  # noqa: E731
    J = scale * np.diag(np.cos(X))
    assert taylor_test(f, X, J)
    assert taylor_test(f, X, 1.01 * J).verdict == "wrong"
    assert taylor_test(f, X, -7 * scale * np.eye(2)).verdict == "wrong"


def test_taylor_directions_move_entries_that_are_0():
    rng = np.random.default_rng(0)
    for k in range(100):
        W, x = rng.normal(size=(4, 6)), np.eye(6)[k % 6]
        f = lambda x, W=W: np.tanh(W @ x)  # noqa: E731
        J = (1 - f(x) ** 2)[:, None] * W
        off = np.where(x == 0, 1.01, 1.0)
        assert taylor_test(f, x, J, seed=k).verdict == "right"
        assert taylor_test(f, x, J * off, seed=k).verdict == "wrong"


def test_taylor_is_right_of_no_error_in_a_single_entry():
    rng = np.random.default_rng(2)
    said = []
    for k in range(40):
        x, W = rng.normal(size=10), rng.normal(size=(k % 3 + 1, 10))
        f = lambda x, W=W: W @ np.sin(x)  # noqa: E731
        J = W * np.cos(x)
        said.append(taylor_test(f, x, J, seed=k).verdict)
        J[k % len(W), k % 10] *= 1.001
        assert taylor_test(f, x, J, seed=k).verdict != "right"
        assert taylor_test(f, x, Dense(J), seed=k).verdict != "right"
    assert "wrong" not in said
    assert said.count("right") >= 36


def test_taylor_of_many_entries_moves_each_of_them():
    rng = np.random.default_rng(3)
    W, x = rng.normal(size=(2, 150)), rng.normal(size=150)
    J = W * np.cos(x)
    assert taylor_test(lambda x: W @ np.sin(x), x, J).verdict == "right"
    for j in range(0, 150, 7):
        off = J.copy()
        off[1, j] += 0.01
        assert taylor_test(lambda x: W @ np.sin(x), x, off).verdict == "wrong"


@pytest.mark.parametrize("f", [lambda x: 1e17 + np.sin(x), lambda x: np.float64(3) + 0 * x])
def test_taylor_of_what_no_step_moves_is_undecided(f):
    result = taylor_test(f, X, np.zeros((2, 2)))
    assert (result.verdict, result.cause, result.unseen) == ("undecided", Cause.IMPRECISE, np.inf)
    assert str(result) == (
        "undecided: the remainder is rounding at every step; no step changes f by more than its rounding: "
        "no error of J could be seen"
    )
    assert taylor_test(f, X, 5e17 * np.eye(2)).verdict == "wrong"


def test_taylor_says_what_it_could_not_see():
    exact = taylor_test(lambda x: 0 * x, X, np.zeros((2, 2)))
    assert (exact.verdict, exact.unseen) == ("right", 0.0)
    fine = taylor_test(np.sin, X, np.diag(np.cos(X)))
    assert 0 < fine.unseen < 1e-4
    assert f"an error of an entry above {fine.unseen:.1e} of it would have shown" in str(fine)
    coarse = taylor_test(lambda x: 1e13 + np.sin(x), X, np.diag(np.cos(X)))
    assert coarse.verdict == "undecided"
    assert coarse.unseen > 1e-3


@pytest.mark.parametrize("exponent", range(10, 22))
@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (np.sin, mpmath.cos),
        (lambda x: x * np.cos(x), lambda t: mpmath.cos(t) - t * mpmath.sin(t)),
        (lambda x: np.sin(x) / x, lambda t: mpmath.cos(t) / t - mpmath.sin(t) / t**2),
        (np.log, lambda t: 1 / t),
    ],
)
def test_inputs_whose_neighbours_are_too_far_apart_make_nothing_wrong(f, slope, exponent):
    rng = np.random.default_rng(exponent)
    for x in rng.uniform(1, 10, size=3) * 10.0**exponent:
        with mpmath.workdps(60):
            J = np.diag([float(slope(mpmath.mpf(float(x)))), float(slope(mpmath.mpf(0.7)))])
        point = np.array([x, 0.7])
        code = lambda x, f=f: np.array([float(f(float(t))) for t in x])  # not traced  # noqa: E731
        assert taylor_test(f, point, J).verdict != "wrong"
        assert check(code, point, J).verdict != "wrong"
        assert check(f, point, J, witnesses=["finite-difference"]).verdict != "wrong"
    if f is np.log:
        assert check(code, point, J).verdict == "right"
        assert check(code, point, np.diag([2, 1]) @ J).verdict == "wrong"


def test_the_noise_of_f_shows_where_the_steps_leave_the_last_bits_of_x():
    problem = Problem(lambda x: np.sin(20 * x), [-598.99582698])
    assert 1e-13 < problem.noise[0] < 1e-11


def test_taylor_of_right_float32_and_of_zero_derivatives_is_never_wrong():
    rng = np.random.default_rng(1)
    for seed in range(50):
        W, x = rng.normal(size=(4, 3)).astype("f4"), rng.normal(size=3).astype("f4")
        f = lambda x, W=W: np.tanh(W @ x)  # noqa: E731
        J = (1 - f(x) ** 2)[:, None] * W
        assert taylor_test(f, x, J, seed=seed).verdict != "wrong"
        assert taylor_test(f, x, J.astype(float), seed=seed).verdict != "wrong"
        zero = lambda x: np.sin(x) ** 2 + np.cos(x) ** 2 - 1  # noqa: E731
        assert taylor_test(zero, x.astype(float), np.zeros((3, 3)), seed=seed).verdict != "wrong"


def test_taylor_results_print_without_a_slope():
    assert str(taylor_test(np.sin, X, np.full((2, 2), np.nan))) == (
        "undecided: the remainders are not finite"
    )


@pytest.mark.parametrize(
    "found", [np.diag(np.cos(X)) + 5j, [["1", "0"], ["0", "1"]], np.ma.masked_less(np.eye(2), 1)]
)
def test_taylor_candidates_pass_the_door_of_arrays(found):
    with pytest.raises(TypeError, match=r"^jacobian: found"):
        taylor_test(np.sin, X, found)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (Affine(1e200 * np.eye(2)), [0.3, -0.7]),
        (Affine(1e-300 * np.eye(2)), [0.3, -0.7]),
        (Normalize(), [1e-200, 2e-200]),
        (Norm(), [1e300, 2e300]),
        (SquaredNorm(), [1e-160, -2e-160]),
    ],
)
@pytest.mark.parametrize("witnesses", [None, ["complex-step"], ["finite-difference"], ["projections"]])
def test_right_jacobians_at_the_ends_of_float64_are_never_wrong(f, x, witnesses):
    asked = {} if witnesses is None else {"witnesses": witnesses}
    assert check(f, x, **asked).verdict != "wrong"


def test_subnormal_derivatives_are_never_wrong():
    x = np.array([1e-160, -2e-160])
    f = lambda x: np.array([float(t) ** 2 for t in x])  # noqa: E731
    g = lambda x: 1e-310 * np.sin(x)  # noqa: E731
    assert check(f, x, np.diag(2 * x)).verdict == "undecided"
    assert check(g, X, 1e-310 * np.diag(np.cos(X))).verdict != "wrong"


def test_zeros_are_not_right_where_only_the_step_underflows():
    f = lambda x: 1e-300 * np.sin(x)  # noqa: E731
    assert check(f, X, np.zeros((2, 2)), witnesses=["complex-step"]).verdict != "right"
    assert check(f, X, 1e-300 * np.diag(np.cos(X)), witnesses=["complex-step"]).verdict == "right"


@pytest.mark.parametrize("step", [np.ma.array([1e-6, 1.0], mask=[0, 1]), "1e-6", True, 1e-6 + 1j, 10**400])
def test_steps_that_are_no_numbers_are_refused_by_name(step):
    for call in (finite_difference_jacobian, richardson_jacobian):
        with pytest.raises(TypeError, match=r"^step: found"):
            call(np.sin, X, step=step)


def test_differences_at_the_largest_number_leave_no_warning():
    with np.errstate(all="raise"):
        assert finite_difference_jacobian(lambda x: x / 2, [1.7976931348623157e308]).tolist() == [[0.5]]


@pytest.mark.parametrize("method", ["central", "forward", "richardson", "complex-step"])
def test_jacobians_by_differences_keep_a_budget(method):
    with pytest.raises(MemoryBudgetError, match=r"differences \(100000×100000\) would take 74.51 GiB"):
        finite_difference_jacobian(lambda x: x, np.zeros(100_000), method)


@pytest.mark.parametrize("call", [certified_jacobian, symbolic_jacobian])
def test_certified_and_symbolic_jacobians_keep_a_budget(call):
    with pytest.raises(
        MemoryBudgetError, match=r"Jacobian.* \(30000×30000\) would take 6.71 GiB .*; check a candidate"
    ):
        call(lambda x: x, np.zeros(30_000))


def test_jacobians_of_matrix_functions_keep_a_budget():
    with pytest.raises(
        MemoryBudgetError, match=r"\(90000×90000\) would take 60.35 GiB .*; call block_derivative"
    ):
        block_jacobian(np.linalg.inv, np.eye(300))


def test_a_tiny_entry_is_not_moved_beyond_its_own_size_to_call_a_derivative_wrong():
    x = np.array([3e-127, 2e33])
    assert taylor_test(np.log, x, np.diag(1 / x)).verdict != "wrong"
    assert check(np.log, x, np.diag(1 / x)).verdict == "right"
    assert check(np.log, x, np.diag(1.01 / x)).verdict == "wrong"
    y = np.array([1e-9, 0.5])  # here a smooth function, whose wrong column shows beyond that size
    J = np.diag(np.cos(y))
    J[0, 0] *= 1.01
    assert taylor_test(np.sin, y, J).verdict == "wrong"


def _by_differences_alone(f):
    return lambda x: np.array([float(f(float(entry))) for entry in x])


FAR_FROM_0 = {
    "a period of 2 at 4096": (
        lambda t: np.sin(np.pi * t),
        lambda t: np.pi * np.cos(np.pi * t),
        [4096, -8192],
    ),
    "a period of 2π at 1e6": (np.sin, np.cos, [2e6, 4e6]),
    "a period of 2π at 1e8": (np.sin, np.cos, [1e8, 2e8]),
    "seconds since 1970": (
        lambda t: np.tanh(t - 1.7e9),
        lambda t: np.cosh(t - 1.7e9) ** -2,
        [1.7e9 + 0.3, 1.7e9 - 2],
    ),
    "a narrow bell": (
        lambda t: np.exp(-((t - 1e6) ** 2)),
        lambda t: -2 * (t - 1e6) * np.exp(-((t - 1e6) ** 2)),
        [1e6 + 0.5, 1e6 - 1],
    ),
    "as smooth as x is large": (np.log, lambda t: 1 / t, [1e8, 1e100]),
}


@pytest.mark.parametrize("name", FAR_FROM_0)
def test_functions_that_bend_within_a_small_part_of_x_are_judged_by_steps_that_do_not(name):
    f, slope, x = FAR_FROM_0[name]
    x = np.array(x, dtype=float)
    J = np.diag(slope(x))
    for code in (f, _by_differences_alone(f)):
        assert check(code, x, J).verdict == "right"
        assert check(code, x, 1.001 * J).verdict == "wrong"
        assert check(code, x, -J).verdict == "wrong"
        assert check(code, x, 0 * J).verdict == "wrong"
        assert taylor_test(code, x, J).verdict == "right"
        assert taylor_test(code, x, 1.01 * J).verdict == "wrong"
        projected = [check(code, x, c, witnesses=["projections"]).verdict for c in (J, -J)]
        assert projected[0] != "wrong"
        assert projected[1] != "right"


def test_kinks_at_a_distance_that_is_small_beside_x_are_none_of_x():
    f = _by_differences_alone(lambda t: abs(t - 1e6))
    x = np.array([1e6 + 0.3, 1e6 - 0.25])
    assert check(f, x, np.diag([1.0, -1.0])).verdict == "right"
    assert check(f, x, np.diag([1.0, 1.0])).verdict == "wrong"
    assert check(f, [1e6, 2.0], np.diag([1.0, -1.0])).verdict == "undecided"
