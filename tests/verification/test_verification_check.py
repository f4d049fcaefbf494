"""Verdicts: right, wrong and undecided, each for the right reason; the false verdicts of other checkers are here."""

from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jacobians import (
    Affine,
    Function,
    Inverse,
    Norm,
    ReLU,
    Sequential,
    Softmax,
    Tanh,
)
from jacobians.layers.activations import ACTIVATIONS, activation
from jacobians.structures import Dense, Diagonal
from verification import Budget, check
from verification.comparison import Evidence, compare
from verification.problem import Problem

RNG = np.random.default_rng(11)
A = RNG.normal(size=(3, 4))
X = RNG.normal(size=4)
NUMBERS = count()
NUMBERS_OF_ANOTHER = np.random.default_rng(12)


def layer(x):
    return np.tanh(A @ x)


def layer_jacobian(x):
    return (1 - np.tanh(A @ x) ** 2)[:, None] * A


# --- what is right is right ------------------------------------------------------------------------------


def test_a_right_jacobian_and_who_says_so():
    report = check(layer, X, layer_jacobian(X))
    assert (report.verdict, report.passed) == ("right", True)
    assert report.agreeing == ("finite-difference", "complex-step", "symbolic", "certified", "taylor")
    assert report.reason == (
        "4 of 4 witnesses that ran agree (finite-difference, complex-step, symbolic, certified)"
    )
    assert (report.shape, report.out_shape, report.in_shape) == ((3, 4), (3,), (4,))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("f", [*map(activation, ACTIVATIONS), Softmax(), Norm(), Affine(A, A[:, 0])])
def test_functions_of_the_catalogue_by_input_and_parameters(f, dtype):
    for wrt in ["input", *f.parameters]:
        report = check(f, X.astype(dtype), wrt=wrt)
        assert report.passed, str(report)
        assert report.dtype == np.dtype(dtype).name


def test_a_callable_candidate_and_a_structured_one():
    assert check(layer, X, layer_jacobian).passed
    report = check(np.tanh, X, Diagonal(1 - np.tanh(X) ** 2))
    assert report.passed
    assert "adjoint" in report.agreeing


def test_one_numeric_witness_suffices_and_the_others_say_why_they_cannot():
    def eigenvalues(x):
        return np.linalg.eigvalsh(x + x.T)

    def truth(x):
        vectors = np.linalg.eigh(x + x.T)[1]
        return np.einsum("ik,jk->kij", vectors, vectors) * 2

    x = RNG.normal(size=(3, 3))
    report = check(eigenvalues, x, truth, layout="mixed")
    assert report.verdict == "right"
    assert report.reason == "1 of 1 witness that ran agrees (finite-difference)"
    unavailable = {w.name: w.reason for w in report.witnesses if w.status == "unavailable"}
    assert set(unavailable) == {"complex-step", "symbolic", "certified"}
    assert all(reason.startswith("np.linalg.eigvalsh: not traced") for reason in unavailable.values())


@pytest.mark.parametrize("layout", ["numerator", "mixed", "denominator"])
def test_tensors_in_a_named_layout(layout):
    W, x = RNG.normal(size=(2, 3)), RNG.normal(size=3)
    tensor = np.einsum("ik,j->ikj", np.eye(2), x)  # ∂(Wx)_i/∂W_kj
    if layout == "numerator":
        tensor = tensor.transpose(0, 2, 1)
    elif layout == "denominator":
        tensor = tensor.transpose(1, 2, 0)
    assert check(lambda W: W @ x, W, tensor, layout=layout).passed
    report = check(lambda W: W @ x, W, tensor)
    assert report.verdict == "wrong"
    assert "name its layout=" in report.reason


@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4), st.sampled_from([1e-9, 1e-3, 1.0, 1e9]))
def test_no_right_jacobian_is_called_wrong(x, scale):
    report = check(
        lambda x: scale * layer(x),
        x,
        lambda x: scale * layer_jacobian(x),
        witnesses=["finite-difference", "complex-step", "certified"],
    )
    assert report.passed, str(report)


# --- what is wrong is wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-9, 1e-30, 1.0, 1e9])
def test_a_zero_derivative_of_a_scaled_function_is_wrong(scale):
    for names in (None, ["finite-difference"]):
        report = check(lambda x: scale * np.sin(x), [0.3, 1.0], np.zeros((2, 2)), witnesses=names)
        assert report.verdict == "wrong"
        assert report.worst.expected == pytest.approx(scale * np.cos(0.3), rel=1e-8)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("witness", ["finite-difference", "complex-step", "symbolic", "certified"])
def test_a_relative_error_of_a_thousandth_everywhere_is_wrong(scale, witness, dtype):
    x = X.astype(dtype)
    truth = scale * layer_jacobian(x.astype(np.float64))
    assert check(lambda x: scale * layer(x), x, truth, witnesses=[witness]).verdict == "right"
    for factor in (1.001, 0.999):
        assert check(lambda x: scale * layer(x), x, factor * truth, witnesses=[witness]).verdict == "wrong"


def test_rows_of_very_different_size_are_judged_one_by_one():
    scales = np.array([1e9, 1.0, 1e-9])
    truth = scales[:, None] * layer_jacobian(X)
    for row in range(3):
        candidate = truth.copy()
        candidate[row] = 0
        report = check(lambda x: scales * layer(x), X, candidate, witnesses=["finite-difference"])
        assert report.verdict == "wrong"
        assert report.worst.index[0] == row


@pytest.mark.parametrize("entry", [(0, 0), (2, 3), (1, 2)])
def test_the_worst_entry_is_named(entry):
    candidate = layer_jacobian(X)
    candidate[entry] += 0.5
    report = check(layer, X, candidate)
    assert report.verdict == "wrong"
    assert report.worst.index == report.worst.tensor_index == entry
    assert report.worst.found == candidate[entry]
    assert report.worst.expected == pytest.approx(candidate[entry] - 0.5)
    assert f"worst entry [{entry[0]}, {entry[1]}]" in str(report)


def test_the_worst_entry_in_the_tensor():
    W, x = RNG.normal(size=(2, 3)), RNG.normal(size=3)
    candidate = np.kron(np.eye(2), x)
    candidate[1, 4] = 9.0
    report = check(Affine(W, np.zeros(2)), x, candidate, wrt="W")
    assert (report.worst.out_index, report.worst.in_index) == ((1,), (1, 1))
    assert "output [1], W [1, 1]" in str(report)


def test_a_function_whose_derivative_lies():
    class Liar(Function):
        def forward(self, x):
            return x**2

        def derivative(self, x, wrt="input"):
            return Diagonal(x)

    report = check(Liar(), [1.0, 2.0])
    assert report.verdict == "wrong"
    assert set(report.disagreeing) >= {"finite-difference", "complex-step", "symbolic", "certified", "taylor"}


def test_a_transpose_that_is_none_is_wrong():
    class Lopsided(Dense):
        def rmatvec(self, u):
            return 2 * super().rmatvec(u)

    report = check(lambda x: A @ x, X, Lopsided(A))
    assert report.verdict == "wrong"
    assert "matvec and rmatvec are not transposes" in report.reason


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        (np.ones(3), r"the candidate has shape (3,), expected (3, 1)"),
        (np.ones((1, 3)), r"it may be transposed"),
        (np.ones((3, 1, 1)), r"name its layout="),
        (np.ones((3, 2)), r"expected (3, 1)"),
        (lambda x: None, r"the callable jacobian returned None"),
        (np.array([[1.0], [np.nan], [1.0]]), r"the candidate has nan in 1 of 3 entries, first at [1, 0]"),
        (np.array([[1.0], [np.inf], [1.0]]), r"the candidate has inf in 1 of 3 entries"),
        (np.ones((3, 1)) * 1j, r"found dtype complex128"),
        (np.ma.ones((3, 1)), r"found a masked array"),
        ([["a"], ["b"], ["c"]], r"expected an array of real numbers"),
        ([[1.0], [1.0, 2.0], [3.0]], r"found a ragged sequence"),
        (np.zeros((0, 1)), r"empty axis"),
        (Dense(np.ones((3, 2))), r"the Jacobian has shape (3, 2), expected (3, 1)"),
    ],
)
def test_candidates_of_the_wrong_form(candidate, reason):
    report = check(lambda x: np.ones(3) * x, [2.0], candidate)
    assert report.verdict == "wrong"
    assert reason in report.reason


def test_a_structured_candidate_between_other_shapes():
    J = Dense(np.eye(4), out_shape=(4, 1), in_shape=(4,))
    report = check(lambda x: x.reshape(2, 2), X, J)
    assert report.verdict == "wrong"
    assert "out_shape (4, 1), expected (2, 2)" in report.reason


def test_a_candidate_that_writes_to_its_input():
    def writes(x):
        x[:] = 0
        return np.eye(4)

    report = check(lambda x: x, X, writes)
    assert (report.verdict, report.reason.partition(";")[0]) == (
        "wrong",
        "the callable jacobian writes to its input",
    )


# --- what can't be decided says so -----------------------------------------------------------------------


@pytest.mark.parametrize("candidate", [0.0, 0.5, 1.0])
def test_relu_at_zero_is_never_right(candidate):
    for f in (lambda x: np.maximum(x, 0), lambda x: np.where(x > 0, x, 0 * x), ReLU()):
        for names in (None, ["finite-difference"]):
            report = check(f, 0.0, [[candidate]], witnesses=names)
            assert report.verdict == "undecided"
            assert report.reason.startswith("kink within the step")


def test_a_kink_in_one_column_leaves_the_others_to_be_judged():
    assert check(ReLU(), [0.0, 1.0]).verdict == "undecided"
    assert check(ReLU(), [0.0, 1.0], np.diag([0.0, 3.0])).verdict == "wrong"


def test_a_kink_that_cancels_is_found_by_the_smooth_piece():
    # relu(x) − relu(−x) = x has derivative 1 at 0, where the policy relu′(0) = 0 gives 0
    class Cancelling(Function):
        def forward(self, x):
            return np.maximum(x, 0) - np.maximum(-x, 0)

        def derivative(self, x, wrt="input"):
            return Diagonal(0 * x)

        def smooth_piece(self, x):
            return np.sign(x).astype(int)

    report = check(Cancelling(), [0.0], witnesses=["finite-difference"])
    assert (report.verdict, report.reason.partition(":")[0]) == ("undecided", "kink within the step")


def test_a_kink_nearby_that_the_steps_pass_by():
    f = lambda x: np.maximum(x - 1e-3, 0)  # noqa: E731
    assert check(f, [0.0], [[0.0]], witnesses=["finite-difference"]).verdict == "right"
    assert check(f, [0.0], [[0.5]], witnesses=["finite-difference"]).verdict == "wrong"


@pytest.mark.parametrize("wrong_layer", [False, True])
def test_relu_networks_near_their_kinks(wrong_layer):
    net = Sequential(Affine(A, np.zeros(3)), ReLU(), Affine(A[:, ::-1].T, X))
    for seed in range(5):
        x = np.random.default_rng(seed).normal(size=4) * 10.0**-seed
        J = net.jacobian(x).dense()
        report = check(net, x, J.T if wrong_layer else J, witnesses=["finite-difference"])
        assert report.verdict == ("wrong" if wrong_layer else "right"), str(report)


def writes_to_its_input(x):
    x *= 2
    return x


@pytest.mark.parametrize(
    ("f", "reason"),
    [
        (lambda x: None, "f returned None"),
        (lambda x: x * 1j, "found dtype complex128"),
        (writes_to_its_input, "f writes to its input"),
        (lambda x: x + next(NUMBERS), "f is random"),
        (lambda x: x[:0], "nothing to compare"),
        (lambda x: x * np.nan, "f(x) is not finite at output [0]: nan"),
    ],
)
def test_functions_that_are_none_never_pass(f, reason):
    report = check(f, X, np.eye(4))
    assert report.verdict == "undecided"
    assert reason in report.reason


def test_the_end_of_a_domain_is_undecided():
    report = check(np.sqrt, [0.0], [[0.0]])
    assert report.verdict == "undecided"
    assert not report.passed


@pytest.mark.parametrize("candidate", [0.0, 1.0])
def test_at_infinity_there_is_nothing_to_check(candidate):
    report = check(np.arctan, [0.5, np.inf], np.diag([0.8, candidate]))
    assert report.verdict == "undecided"
    assert report.reason == "input is not finite at [1]: inf; a derivative there is no limit of differences"


def test_beside_a_pole_there_is_no_kink():
    nearly_singular = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-8]])
    report = check(Inverse(), nearly_singular)
    assert report.verdict == "right"
    said = {witness.name: (witness.status, witness.reason) for witness in report.witnesses}
    assert said["finite-difference"] == ("undecided", "f bends too much within the step in 16 of 16 entries")
    assert said["taylor"][0] == "undecided"
    assert "kink" not in str(report)
    assert (
        check(Inverse(), nearly_singular, 1.001 * Inverse().jacobian(nearly_singular).dense()).verdict
        == "wrong"
    )


def test_witnesses_that_contradict_each_other():
    def two_faced(x):
        return x**2 if isinstance(x, np.ndarray) else x**3

    report = check(two_faced, [2.0], [[12.0]])
    assert report.verdict == "undecided"
    assert "contradict each other" in report.reason
    assert check(two_faced, [2.0], [[4.0]]).verdict == "wrong"


def test_no_witness_could_run():
    report = check(np.linalg.eigvalsh, np.eye(2), np.zeros((2, 4)), witnesses=["symbolic"])
    assert (report.verdict, report.reason) == ("undecided", "no witness could run")


def test_budgets_keep_the_costly_witnesses_out_and_let_them_in():
    report = check(layer, X, layer_jacobian, budget=Budget(symbolic=10))
    symbolic = next(w for w in report.witnesses if w.name == "symbolic")
    assert symbolic.status == "unavailable"
    assert symbolic.reason == "over its budget: 81 scalar operations, symbolic=10; pass a larger Budget"
    assert "symbolic" in check(layer, X, layer_jacobian, budget=Budget(symbolic=81)).agreeing


# --- what is too large to form ---------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 1e-9])
def test_random_projections_stand_in_for_the_dense_form(scale):
    W, x = scale * RNG.normal(size=(20, 30)), RNG.normal(size=30)
    f = Affine(W, None)
    report = check(f, x, wrt="W", max_bytes=1000)
    assert report.verdict == "right"
    assert report.agreeing == ("projections", "adjoint")
    wrong = f.jacobian(x * 1.001, wrt="W")
    assert check(f, x, wrong, wrt="W", max_bytes=1000).verdict == "wrong"


@pytest.mark.parametrize("f", [layer, Sequential(Affine(A, None), Tanh())])
@pytest.mark.parametrize("form", [np.asarray, Dense, lambda J: lambda x: J])
def test_projections_on_request(f, form):
    J = (1 - np.tanh(A @ X) ** 2)[:, None] * A
    right = check(f, X, form(J), witnesses=["projections"])
    assert right.passed
    assert right.agreeing[0] == "projections"
    for change in (1e-3, -0.5):
        wrong = J.copy()
        wrong[1, 2] *= 1 + change
        assert check(f, X, form(wrong), witnesses=["projections"]).verdict == "wrong"
    zero = check(f, X, form(0 * J), witnesses="projections")
    assert zero.verdict == "wrong"


@pytest.mark.parametrize("witnesses", [None, ["projections"]])
def test_projections_name_the_entry_and_see_kinks(witnesses):
    options = {"witnesses": witnesses} if witnesses else {"max_bytes": 0}
    report = check(np.sin, X, Dense(np.diag(-np.cos(X))), **options)
    assert report.verdict == "wrong"
    if report.worst is not None:
        i, j = report.worst.index
        assert i == j
        assert report.worst.found == pytest.approx(-np.cos(X[i]))
        assert report.worst.expected == pytest.approx(np.cos(X[i]), rel=1e-6)
    at_kink = check(np.abs, 0 * X, Dense(np.zeros((4, 4))), **options)
    assert at_kink.verdict == "undecided"
    assert "kink" in at_kink.reason


def test_projections_lose_no_step_in_the_rounding_of_large_entries():
    x = np.array([1e16, -3e17, 2.0])
    for J, verdict in ((2 * np.eye(3), "right"), (np.zeros((3, 3)), "wrong")):
        assert check(lambda x: 2 * x, x, J, witnesses=["projections"]).verdict == verdict


def test_nothing_large_is_allocated():
    W = np.zeros((600, 800))
    report = check(Affine(W, None), np.ones(800), wrt="W")  # dense: 600×480 000
    assert report.verdict == "right"


# --- calls that make no sense ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, TypeError, "jacobian: found None"),
        ({"jacobian": np.eye(4), "layout": "row"}, ValueError, "layout: found 'row'"),
        ({"jacobian": np.eye(4), "witnesses": ["oracle"]}, ValueError, "witnesses: found 'oracle'"),
        (
            {"jacobian": np.eye(4), "witnesses": ["symbolic", "projections"]},
            ValueError,
            "found 'projections' beside others, expected it alone: J is not formed",
        ),
        ({"jacobian": np.eye(4), "witnesses": []}, ValueError, "witnesses: found none"),
        ({"jacobian": np.eye(4), "wrt": "W"}, ValueError, "wrt: found 'W'"),
        (
            {"jacobian": np.eye(4), "wrt": None},
            TypeError,
            "wrt: found None, expected 'input' or the name of a param",
        ),
        (
            {"jacobian": np.eye(4), "wrt": ["W"]},
            TypeError,
            "wrt: found \\['W'\\], expected 'input' or the name",
        ),
        (
            {"jacobian": np.eye(4), "witnesses": 0},
            TypeError,
            "witnesses: found 0, expected some of 'finite-diff",
        ),
        ({"jacobian": np.eye(4), "rtol": "a"}, TypeError, "rtol: found 'a', expected a real number"),
        (
            {"jacobian": np.eye(4), "rtol": -1.0},
            ValueError,
            "rtol: found -1.0, expected a relative tolerance from 0",
        ),
        (
            {"jacobian": np.eye(4), "rtol": 1},
            ValueError,
            "rtol: found 1, expected a relative tolerance from 0",
        ),
        ({"jacobian": np.eye(4), "budget": 3}, TypeError, "budget: found 3, expected a verification.Budget"),
        (
            {"jacobian": np.eye(4), "seed": None},
            TypeError,
            "seed: found None, expected an integer of at least 0",
        ),
        (
            {"jacobian": np.eye(4), "max_bytes": -1},
            ValueError,
            "max_bytes: found -1, expected an integer of at least 0",
        ),
    ],
)
def test_calls_that_make_no_sense(arguments, error, message):
    with pytest.raises(error, match=message):
        check(lambda x: x, X, **arguments)


def test_a_class_is_no_function_yet():
    with pytest.raises(
        TypeError, match="f: found the class Tanh, expected a Function or a function of one array"
    ):
        check(Tanh, X)


# --- what users' functions do ----------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [False, True])
def test_a_function_that_writes_to_one_array_again_and_again(wrong):
    buffer = np.empty(2)

    def square(x):
        buffer[:] = x**2  # nothing that traces: differences alone
        return buffer

    candidate = np.zeros((2, 2)) if wrong else np.diag([2.0, 4.0])
    assert check(square, [1.0, 2.0], candidate).verdict == ("wrong" if wrong else "right")


@pytest.mark.parametrize(
    ("f", "x", "J", "verdict"),
    [
        (lambda x: x**2 if x[0] > 0 else -x, [1.0, 2.0], np.diag([2.0, 4.0]), "right"),
        (lambda x: [x[0] * x[1], x[0]], [2, 3], [[3, 2], [1, 0]], "right"),
        (lambda x: x**3, 2.0, [[12.0]], "right"),
        (lambda x: x**3, 2.0, 12.0, "wrong"),  # a number is no 1×1 matrix
        (lambda x: [x, x[0]], [2.0, 3.0], np.eye(2), "undecided"),
        (lambda x: x[::-1], [1.0, 2.0], [[0, 1], [1, 0]], "right"),
        (lambda x: 1e200 * np.sin(x), [1.0], [[1e200 * np.cos(1.0)]], "right"),
        (lambda x: 1e200 * np.sin(x), [1.0], [[1.001e200 * np.cos(1.0)]], "wrong"),
        (lambda x: 1e-200 * np.sin(x), [1.0], [[0.0]], "wrong"),
        (lambda x: x**2, [1e-150], [[2.002e-150]], "wrong"),
        (np.sqrt, [1e150], [[0.5e-75]], "right"),
        (np.round, [0.3], [[0.0]], "right"),
        (np.round, [0.5], [[0.0]], "undecided"),
        (np.floor, [1.0], [[0.0]], "undecided"),
        (np.cbrt, [0.0], [[0.0]], "undecided"),  # the slope is infinite, and the same on both sides
        (
            lambda x: np.sin(1e8 * x) * np.sum(np.partition(x, 0)) / x,
            [1.0],
            [[0.0]],
            "undecided",
        ),  # not traced
        (lambda x: 1e6 + 1e-6 * x, [1.0], [[1e-6]], "right"),
        (lambda x: 1e6 + 1e-6 * x, [1.0], [[0.0]], "wrong"),
        (lambda x: np.ones(1), [1.0], [[1e-12]], "wrong"),
        (np.sin, [1.0], lambda x: NUMBERS_OF_ANOTHER.normal(size=(1, 1)), "wrong"),
        (np.sin, [1.0], "J", "wrong"),
    ],
)
def test_functions_of_every_kind(f, x, J, verdict):
    report = check(f, x, J, witnesses=["finite-difference", "complex-step", "certified"])
    assert report.verdict == verdict, str(report)


@pytest.mark.parametrize(
    ("f", "J"),
    [
        (lambda x: np.array([int(3 * x[0]), int(x[1])]), np.diag([3.0, 1.0])),
        (lambda x: np.sum(x > 0), [[1.0, 0.0]]),
        (lambda x: int(x[0]), [[1.0, 0.0]]),
        (lambda x: x > 1, np.eye(2)),
    ],
)
def test_a_function_of_whole_numbers_is_said_to_be_one(f, J):
    kind = np.asarray(f(np.array([1.3, 2.7]))).dtype
    wrong, right = check(f, [1.3, 2.7], J), check(f, [1.3, 2.7], np.zeros(np.shape(J)))
    assert wrong.verdict == "wrong"
    assert right.verdict == "right"
    for report in (wrong, right):
        assert f"f(x) is {kind}, whole numbers: its derivative is 0 or none" in report.reason
    assert "whole numbers" not in check(np.sin, [1.0, 2.0], np.diag(np.cos([1.0, 2.0]))).reason


def test_no_witness_agrees_with_an_error_of_the_whole_size():
    noise = np.array([[1e-17, 0.0]])
    for f in (lambda x: x[0] + x[1] - x[0] - x[1], lambda x: (x[0] - x[0]) * x[1], lambda x: 0.1 + 0 * x[0]):
        for J in (noise, 0 * noise):
            for witness in check(f, [0.3, 0.7], J).witnesses:
                assert witness.status != "agrees" or (witness.error or 0) <= 1e-3, str(witness)
    problem = Problem(lambda x: 0 * x[:1], [0.3, 0.7])
    evidence = Evidence(noise, np.full((1, 2), 1e-15), np.zeros((1, 2), dtype=bool))
    found = compare(0 * noise, evidence, problem, "float64")
    assert not found.wrong.any()
    assert 0 < found.error <= 1e-6
    assert compare(noise + 1e-3, evidence, problem, "float64").error >= 1
