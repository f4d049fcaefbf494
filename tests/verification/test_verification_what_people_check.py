"""What people check: right answers that are easily called wrong, wrong ones to be named, code that isn't traced."""

import numpy as np
import pytest
import scipy.linalg
import scipy.signal

from jacobians import Affine, Elementwise, LayerNorm, LinearMap, Norm, Sequential, Tanh
from verification import adjoint_test, check, diagnose, richardson_jacobian, taylor_test

RNG = np.random.default_rng(0)
W, V, X, A = RNG.normal(size=(3, 4)), RNG.normal(size=(2, 3)), RNG.normal(size=4), RNG.normal(size=(3, 3))
HALF = np.array([0.3, 0.7])


def layer(x):
    return V @ np.tanh(W @ x)


def softmax(z):
    return np.exp(z - z.max()) / np.exp(z - z.max()).sum()


P = softmax(X)
KRON = np.kron(np.eye(3), A) + np.kron(A.T, np.eye(3))  # by column-major vec
POINTS = RNG.normal(size=(5, 4))


def integers(x):
    out = np.zeros(2, dtype=int)
    out[0], out[1] = x[0], x[1]
    return out


@pytest.mark.parametrize(
    ("f", "x", "candidate", "says"),
    [
        (layer, X, V @ W, "the derivative of tanh is left out"),
        (layer, X, V @ np.diag(np.tanh(W @ X)) @ W, "tanh stands for its derivative"),
        (softmax, X, np.diag(P * (1 - P)), "softmax() is taken entry by entry"),
        (lambda A: A @ A, A, KRON, "transposed"),
        (lambda x: np.tanh(x @ W.T), POINTS, np.stack([(1 - np.tanh(W @ x) ** 2)[:, None] * W for x in POINTS]),
         "the Jacobian of each of 5 points, the diagonal blocks of J, which batched=True asks about"),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_named(f, x, candidate, says):
    report = check(f, x, candidate)
    assert report.verdict == "wrong"
    assert says in report.diagnosis.sentence


def test_two_vec_orders_of_a_square_are_told_as_one():
    assert "column-major" in "; ".join(check(lambda A: A @ A, A, KRON).diagnosis.others)


def test_a_step_without_a_derivative_does_not_hide_the_one_of_the_whole():
    net = Sequential(Affine(np.eye(2), -HALF), Norm(), Elementwise("half", lambda z: z * z / 2, lambda z: z))
    assert check(net, HALF).verdict == "right"
    assert check(lambda z: 0.5 * np.linalg.norm(z - HALF) ** 2, HALF, np.zeros((1, 2))).verdict == "right"


@pytest.mark.parametrize("seed", range(10))
def test_an_error_in_the_columns_of_zeros_is_seen_by_taylor(seed):
    rng = np.random.default_rng(seed)
    M, x = rng.normal(size=(3, 6)), np.eye(6)[seed % 6]
    J = (1 - np.tanh(M @ x) ** 2)[:, None] * M
    assert taylor_test(lambda z: np.tanh(M @ z), x, J).verdict == "right"
    J[:, x == 0] *= 1.01
    assert taylor_test(lambda z: np.tanh(M @ z), x, J).verdict == "wrong"


def test_a_constant_function_is_not_contradicted_by_its_rounding():
    constant = Sequential(LayerNorm(), LinearMap(np.ones((1, 6))))
    assert taylor_test(constant, RNG.normal(size=6), np.zeros((1, 6))).verdict == "undecided"


def test_a_batch_at_the_adjoint_test_is_named():
    J = Sequential(Affine(W, np.zeros(3)), Tanh()).jacobian(POINTS, batched=True)
    with pytest.raises(
        ValueError, match=r"^jacobian: found a batch of shape \(5,\), expected the map of one point"
    ):
        adjoint_test(J)


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (lambda a: scipy.linalg.expm(a), "scipy.linalg.expm (line "),
        (lambda a: scipy.signal.convolve2d(a, np.ones((2, 2))), "scipy.signal.convolve2d (line "),
        (lambda a: scipy.linalg.cho_solve((np.linalg.cholesky(a @ a.T + np.eye(3)), True), np.ones(3)),
         "scipy.linalg.cho_solve (line "),
        (lambda a: np.linalg.eigh(a + a.T)[0], "np.linalg.eigh: not traced"),
        (lambda a: np.linalg.svd(a)[1], "np.linalg.svd: not traced"),
        (lambda a: np.abs(np.fft.fft(a.ravel())), "np.fft.fft: not traced"),
    ],
)  # fmt: skip
def test_a_function_that_is_not_traced_is_named_and_differences_judge(f, name):
    report = check(f, A, richardson_jacobian(f, A).matrix)
    assert report.verdict == "right"
    unavailable = [
        one for one in report.witnesses if one.status == "unavailable" and one.name != "block-identity"
    ]
    assert unavailable
    assert all(name in one.reason for one in unavailable)


@pytest.mark.parametrize(
    "f",
    [
        lambda a: np.linalg.slogdet(np.array([[a[0, 0], a[0, 1]], [a[1, 0], a[1, 1] + 9]]))[1],
        lambda a: np.sort(a.ravel()),
        lambda a: np.interp(a.ravel(), [-3.0, 0.0, 3.0], [0.0, 1.0, 4.0]),
        lambda a: np.linalg.pinv(a[:, :2]),
        lambda a: np.linalg.multi_dot([a, a, a]),
        lambda a: np.lib.stride_tricks.sliding_window_view(a.ravel(), 3).sum(1),
    ],
)
def test_what_is_assembled_sorted_or_multiplied_is_traced(f):
    J = richardson_jacobian(f, A).matrix
    right = check(f, A, J.reshape(-1, 9), rtol=1e-6)
    assert {one.name for one in right.witnesses if one.status == "agrees"} >= {"symbolic", "certified"}


def test_an_integer_buffer_is_told():
    report = check(integers, np.array([1.5, 2.5]), np.eye(2))
    assert report.verdict == "wrong"
    assert "f(x) is int64, whole numbers: its derivative is 0 or none" in report.reason


def test_nothing_is_wrong_without_empty_brackets():
    assert str(diagnose(A, A)) == "nothing is wrong: the candidate equals the expected answer"
    assert check(lambda z: z @ z, np.ones(3), 2 * np.ones(3)).verdict == "right"


def test_a_deviation_from_zero_is_no_infinity():
    report = check(lambda x: 0 * x, np.ones(2), np.eye(2))
    assert report.verdict == "wrong"
    assert "inf" not in str(report.diagnosis)
    assert str(report.worst.expected) == "0.0"


def test_a_right_zero_of_rounding_passes_where_a_floor_is_asked_for():
    noise = 6e-16 * np.ones((1, 4))
    flat = lambda x: np.sum(x - x)  # noqa: E731
    assert check(flat, X, noise).verdict != "right"
    assert check(flat, X, noise, atol=1e-12).verdict == "right"
