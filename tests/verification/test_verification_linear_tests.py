"""The Taylor test, the adjoint test, the block identity and the certified enclosures, each alone."""

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from scipy.linalg import expm
from scipy.sparse.linalg import aslinearoperator

from jacobians import Affine, Sequential, Tanh
from jacobians.structures import Dense, Diagonal
from verification.check import check
from verification.problem import Problem
from verification.tracing.scalars import TracingError, UndecidedError
from verification.witnesses.adjoint import adjoint_test
from verification.witnesses.block_identity import NotAMatrixFunctionError, block_derivative, block_jacobian
from verification.witnesses.certified import certified_jacobian
from verification.witnesses.glance import at_a_glance
from verification.witnesses.taylor import taylor_test

RNG = np.random.default_rng(23)
A = RNG.normal(size=(3, 4))
X = RNG.normal(size=4)


def layer(x):
    return np.tanh(A @ x)


TRUTH = (1 - np.tanh(A @ X) ** 2)[:, None] * A


# --- Taylor ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_the_remainder_is_of_order_two_when_right_and_one_when_wrong(scale):
    right = taylor_test(lambda x: scale * layer(x), X, scale * TRUTH)
    assert right.verdict == "right"
    assert right.order == pytest.approx(2, abs=0.05)
    wrong = taylor_test(lambda x: scale * layer(x), X, scale * TRUTH * 1.1)
    assert wrong.verdict == "wrong"
    assert wrong.order == pytest.approx(1, abs=0.1)
    assert f"order {wrong.order:.2f}, fitted to 4 steps" in str(wrong)


def test_the_remainder_of_an_odd_function_is_of_order_three():
    result = taylor_test(np.sin, 0.0, [[1.0]])
    assert (result.verdict, round(result.order)) == ("right", 3)


def test_a_linear_function_leaves_rounding_alone():
    result = taylor_test(lambda x: A @ x, X, A)
    assert (result.verdict, result.order) == ("right", np.inf)
    assert taylor_test(Affine(A, None), X, Affine(A, None).jacobian(X)).verdict == "right"


def test_the_shape_is_demanded():
    with pytest.raises(ValueError, match=r"^jacobian: found shape \(4, 3\), expected \(3, 4\)"):
        taylor_test(layer, X, TRUTH.T)


# --- adjoint ---------------------------------------------------------------------------------------------


class Lopsided(Dense):
    def rmatvec(self, u):
        return super().rmatvec(u) * (1 + 1e-9)


def test_transposes_pass_and_others_do_not():
    assert adjoint_test(Dense(A)).passed
    assert adjoint_test(aslinearoperator(A)).passed
    assert adjoint_test(Affine(A, None).jacobian(X, wrt="W")).passed
    result = adjoint_test(Lopsided(A))
    assert not result.passed
    assert 1e-11 < result.deviation < 1e-9


def test_nan_never_passes_the_adjoint_test():
    assert not adjoint_test(aslinearoperator(np.full((2, 2), np.nan))).passed


def test_no_trial_passes_nothing():
    with pytest.raises(ValueError, match="trials: found 0"):
        adjoint_test(Dense(A), trials=0)


# --- block identity --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "derivative"),
    [
        (np.linalg.inv, lambda A: -np.kron(np.linalg.inv(A), np.linalg.inv(A).T)),
        (lambda X: X @ X, lambda A: np.kron(A, np.eye(3)) + np.kron(np.eye(3), A.T)),
        (lambda X: 3 * X, lambda A: 3 * np.eye(9)),
    ],
)
def test_matrix_functions_against_closed_forms(f, derivative):
    A = RNG.normal(size=(3, 3)) + 3 * np.eye(3)
    matrix, error = block_jacobian(f, A)
    assert (np.abs(matrix - derivative(A)) <= error + 1e-14 * np.abs(matrix).max()).all()
    report = check(f, A, derivative(A))
    assert report.passed
    assert "block-identity" in report.agreeing
    assert "block-identity" in check(f, A, 2 * derivative(A)).disagreeing


def test_the_exponential_of_commuting_directions():
    A = RNG.normal(size=(3, 3))
    np.testing.assert_allclose(block_derivative(expm, A, A), A @ expm(A), rtol=1e-10)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (np.tanh, "does not commute with similarities"),
        (lambda X: X * X, "does not commute with similarities"),
        (lambda X: X.T, "does not commute with similarities"),
        (lambda X: np.trace(X) * X, "does not act on diagonal blocks one by one"),
        (lambda X: X @ np.ones((3, 3)), "f fails on other matrices than A"),
        (lambda X: X[:2], "keeps shapes"),
    ],
)
def test_functions_of_matrices_that_are_no_matrix_functions(f, message):
    with pytest.raises(NotAMatrixFunctionError, match=message):
        block_jacobian(f, RNG.normal(size=(3, 3)))


def test_a_false_matrix_function_does_not_mislead_the_check():
    A = RNG.normal(size=(3, 3))
    report = check(np.tanh, A, np.diag((1 - np.tanh(A) ** 2).ravel()))
    assert report.passed
    assert next(w.status for w in report.witnesses if w.name == "block-identity") == "unavailable"


# --- certified -------------------------------------------------------------------------------------------

pytest.importorskip("flint", reason="python-flint is optional")


@pytest.mark.parametrize("x", [0.3, 2.5, 25.0, -40.0])
@pytest.mark.parametrize("name", ["tanh", "exp", "sinh", "cosh", "arctan", "arcsinh", "log1p", "sin", "tan"])
def test_enclosures_hold_the_derivative(name, x):
    inverse = {"arctan": "atan", "arcsinh": "asinh"}.get(name, name)
    if name == "log1p":
        x = abs(x)
    enclosure = certified_jacobian(getattr(np, name), x)
    with mpmath.workdps(60):
        truth = mpmath.diff(getattr(mpmath, inverse), mpmath.mpf(x))
        assert abs(truth - mpmath.mpf(float(enclosure.middle[0, 0]))) <= float(enclosure.radius[0, 0])
    assert enclosure.radius[0, 0] <= 2e-16 * abs(enclosure.middle[0, 0])


def test_an_enclosure_of_a_layer():
    enclosure = certified_jacobian(layer, X)
    assert (np.abs(enclosure.middle - TRUTH) < 1e-15).all()


@pytest.mark.parametrize("outputs", [2, 7])  # the graph is followed from the side with fewer entries
def test_the_enclosures_of_a_network_hold_every_digit(outputs):
    rng = np.random.default_rng(outputs)
    A, B, x = rng.normal(size=(6, 4)), rng.normal(size=(outputs, 6)), rng.normal(size=4)
    enclosure = certified_jacobian(lambda x: np.exp(B @ np.tanh(A @ x)) / 3, x)
    with mpmath.workdps(60):
        a, b, at = mpmath.matrix(A.tolist()), mpmath.matrix(B.tolist()), mpmath.matrix(x.tolist())
        hidden = [mpmath.tanh(z) for z in a * at]
        value = [mpmath.exp(z) / 3 for z in b * mpmath.matrix(hidden)]
        inner = mpmath.diag([1 - h**2 for h in hidden])
        truth = mpmath.diag(value) * b * inner * a
        for i, j in np.ndindex(outputs, 4):
            middle, radius = (float(part[i, j]) for part in enclosure)
            assert abs(truth[i, j] - mpmath.mpf(middle)) <= radius <= 2e-16 * abs(middle)


def test_a_comparison_that_holds_at_the_point_alone_is_left_open():
    # f is x everywhere; the branch that is taken at 0 says nothing about its neighbourhood
    with pytest.raises(UndecidedError):
        certified_jacobian(lambda x: np.where(x**2 > 0, x, 0), 0.0)
    assert certified_jacobian(lambda x: np.where(x - x == 0, x, 0), 0.0).middle.tolist() == [[1.0]]


def test_balls_invert_by_elimination():
    A = np.random.default_rng(3).normal(size=(9, 9))
    B = np.linalg.inv(A)
    enclosure = certified_jacobian(lambda t: np.linalg.inv(t[0] * A)[0], [1.0])
    np.testing.assert_allclose(enclosure.middle[:, 0], -B[0], rtol=1e-10)


@pytest.mark.parametrize("f", [lambda x: np.maximum(x, 0), np.abs, lambda x: np.where(x > 0, x, 2 * x)])
def test_balls_leave_kinks_open(f):
    with pytest.raises(UndecidedError, match="left open by the balls"):
        certified_jacobian(f, [0.0, 1.0])
    assert certified_jacobian(f, [0.5, 1.0]).middle[0, 0] == 1.0


def test_a_comparison_that_a_direction_does_not_touch_is_decided():
    # x_0 = 0 stands still while x_1 moves
    f = lambda x: np.array([x[1] * (2.0 if x[0] >= 0 else 3.0)])  # noqa: E731
    with pytest.raises(UndecidedError):
        certified_jacobian(f, [0.0, 1.0])
    assert certified_jacobian(lambda x: f(np.stack([0 * x[0], x[0]])), [1.0]).middle.tolist() == [[2.0]]


def test_a_singular_derivative_is_not_enclosed():
    enclosure = certified_jacobian(np.sqrt, 0.0)
    assert np.isnan(enclosure.middle).all()
    assert np.isinf(enclosure.radius).all()


def test_what_balls_cannot_do_is_named():
    with pytest.raises(TracingError, match=r"^np\.linalg\.eigvalsh: not traced"):
        certified_jacobian(np.linalg.eigvalsh, np.eye(2))


# --- what it costs -----------------------------------------------------------------------------------------


def test_a_right_map_is_applied_to_as_many_vectors_as_there_are_trials():
    A = np.random.default_rng(0).normal(size=(30, 20))
    count = {"matvec": 0, "rmatvec": 0}

    class Map:
        shape = A.shape

        def matvec(self, v):
            count["matvec"] += 1
            return A @ v

        def rmatvec(self, u):
            count["rmatvec"] += 1
            return A.T @ u

    assert adjoint_test(Map(), trials=3).passed
    assert count == {"matvec": 3, "rmatvec": 3}


def test_a_check_along_directions_forms_each_product_once(monkeypatch):
    x = np.linspace(-1, 1, 40)
    J = Diagonal(1 / np.cosh(x) ** 2)
    columns = []

    def applied(self, X, ledger, told=Diagonal._apply):
        columns.append(X.shape[-1])
        return told(self, X, ledger)

    monkeypatch.setattr(Diagonal, "_apply", applied)
    report = check(np.tanh, x, J, witnesses=["projections"])
    assert report.passed
    assert [witness.name for witness in report.witnesses] == ["projections", "adjoint"]
    assert sum(columns) == 4  # J V and Jᵀ U, of two directions each
    # entries of very different sizes leave nothing of most columns: other vectors are taken
    columns.clear()
    assert check(np.sin, 1e4 * x, Diagonal(np.cos(1e4 * x)), witnesses=["projections"]).passed
    assert sum(columns) >= 12


def test_values_that_are_small_by_cancelling_are_no_stairs():
    rng = np.random.default_rng(1000)
    W, (b, x) = rng.standard_normal((1000, 1000)) / np.sqrt(1000), rng.standard_normal((2, 1000)) / 2
    J = (1 - np.tanh(W @ x + b) ** 2)[:, None] * W
    assert check(lambda x: np.tanh(W @ x + b), x, J, witnesses=["projections"]).passed


def test_balls_of_entries_that_no_path_leads_to_are_rounded_once(monkeypatch):
    from verification.witnesses import certified

    rounded = []

    def seen(ball, told=certified._rounded):
        rounded.append(ball)
        return told(ball)

    monkeypatch.setattr(certified, "_rounded", seen)
    W, x = RNG.normal(size=(6, 9)), RNG.normal(size=9)
    enclosure = certified_jacobian(Affine(W), x, wrt="W")
    expected = np.kron(np.eye(6), x)
    assert (np.abs(enclosure.middle - expected) <= enclosure.radius).all()
    assert (enclosure.radius < 1e-14).all()
    assert len(rounded) == 6 * 9 + 1  # of 6 × 54


def test_the_certified_witness_takes_networks_that_it_takes_a_tenth_of_a_second_for():
    sizes = (128, 128, 128, 3)
    weights = [RNG.normal(size=(m, n)) / np.sqrt(n) for n, m in pairwise(sizes)]
    layers = [layer for W in weights for layer in (Affine(W), Tanh())]
    report = check(Sequential(*layers), RNG.normal(size=128))
    said = {witness.name: witness.status for witness in report.witnesses}
    assert said["certified"] == "agrees"
    assert said["symbolic"] == "unavailable"


def test_a_check_along_directions_asks_few_values_and_each_once():
    asked = []

    def f(x):
        asked.append(x.copy())
        return np.tanh(x)

    x = np.linspace(-1, 1, 20)
    report = check(f, x, np.diag(1 / np.cosh(x) ** 2), witnesses=["projections"])
    assert report.passed, report
    assert (
        len(asked) == 2 + 8
    )  # at x twice, whether f is random; two directions, the second step, two tiny ones
    assert len(np.unique(asked, axis=0)) == 9


def test_a_single_wrong_entry_never_hides_behind_a_small_part_of_the_directions():
    W = np.random.default_rng(0).choice([-1.0, 1.0], size=(1, 30))
    for seed in range(600):
        J = W.copy()
        J[0, seed % 30] *= 1 + 5e-5
        report = check(lambda x: W @ x, np.ones(30), J, witnesses=["projections"], seed=seed)
        assert report.verdict == "wrong", (seed, report)


@pytest.mark.parametrize("width", [2.0**-33, 2.0**-37])
def test_stairs_that_stand_still_at_tiny_steps_are_not_seen_at_a_glance(width):
    x = np.array([0.3, -0.7])  # so small stairs agree with a slope at the steps of the differences
    f = lambda x: np.array([1e3 * x[0], np.floor(x[1] / width) * width])  # noqa: E731
    smooth = lambda x: np.array([1e3 * x[0], x[1]])  # noqa: E731
    J = np.diag([1e3, 1.0])
    assert at_a_glance(Problem(smooth, x), J, "float64", None, 0) is not None
    assert at_a_glance(Problem(f, x), J, "float64", None, 0) is None


def test_a_saw_whose_teeth_rise_at_x_is_not_seen_at_a_glance():
    width = 2.0**-32
    x = (np.round(np.array([0.3, -0.7]) / width) + 0.25) * width  # by half faster from here, or slower
    f = lambda x: x + 0.5 * width * np.abs(x / width - np.round(x / width))  # noqa: E731
    assert at_a_glance(Problem(lambda x: x, x), np.eye(2), "float64", None, 0) is not None
    assert at_a_glance(Problem(f, x), np.eye(2), "float64", None, 0) is None


def test_curvature_excuses_no_error_above_the_tolerance_along_directions():
    x = np.array([0.3, 0.4])
    f = lambda x: np.sin(100 * x)  # noqa: E731  # differences at a glance are off by 1e-5 of the slopes
    J = np.diag(100 * np.cos(100 * x))
    assert check(f, x, J, witnesses=["projections"]).verdict == "right"
    for seed in range(10):
        assert check(f, x, J * (1 + 4e-5), witnesses=["projections"], seed=seed).verdict == "wrong"
