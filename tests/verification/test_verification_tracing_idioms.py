"""Idioms that have no hook of NumPy's: followed by the witnesses that trace, or refused by name and line."""

import numpy as np
import pytest
import scipy.linalg
import scipy.signal

from verification import check, richardson_jacobian

RNG = np.random.default_rng(5)
X, A = RNG.normal(size=6), RNG.normal(size=(3, 3))
K = RNG.normal(size=(2, 2))


def filled(x):
    out = np.zeros(5)
    for k in range(5):
        out[k] = x[k] * x[k + 1]
    return out


def padded(x):
    out = np.zeros((4, 5))
    out[1:3, 1:4] = np.reshape(x, (2, 3)) ** 2
    return out


def counted(x):
    out = np.empty_like(X)
    for k in range(6):
        out[k] = np.sin(x[k])
    weights = np.ones(6)
    weights[0] = x[1]
    return np.full(6, 2.0) * out * weights


def rotation(x):
    c, s = np.cos(x[0]), np.sin(x[0])
    return np.linalg.slogdet(np.array([[c, -s], [s, c + x[1] ** 2 + 2]]))[1]


FOLLOWED = {
    "np.zeros filled entry by entry": filled,
    "np.zeros with a part": padded,
    "np.empty_like and np.ones": counted,
    "np.array of entries, then slogdet": rotation,
    "sliding_window_view": lambda x: (
        np.lib.stride_tricks.sliding_window_view(x, 3) @ np.array([1.0, 2.0, x[0]])
    ),
    "multi_dot": lambda x: np.linalg.multi_dot([np.reshape(x, (2, 3)), A, np.reshape(x, (3, 2))]),
    "pinv of a tall matrix": lambda x: np.linalg.pinv(np.reshape(x, (3, 2))),
    "pinv of a wide matrix": lambda x: np.linalg.pinv(np.reshape(x, (2, 3))),
    "sort": lambda x: np.sort(x) ** 2,
    "sort along an axis": lambda x: np.sort(np.reshape(x, (3, 2)), axis=0) ** 2,
    "median of an even count": lambda x: np.median(x) ** 2,
    "median along an axis": lambda x: np.median(np.reshape(x, (3, 2)), axis=0, keepdims=True),
    "interp": lambda x: np.interp(x, [-2.0, -0.4, 0.1, 2.0], [0.0, 1.0, 4.0, 5.0]) ** 2,
    "interp of values": lambda x: np.interp([0.3, 1.2, 9.0], [0.0, 1.0, 2.0, 3.0], x[:4]),
    "asarray in float32": lambda x: np.tanh(np.asarray(x, dtype=np.float32).astype(float)),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_idioms_are_judged_by_the_witnesses_that_trace(name):
    f = FOLLOWED[name]
    J = richardson_jacobian(f, X).matrix
    if name == "asarray in float32":
        J = np.diag(1 - np.tanh(X) ** 2)
    report = check(f, X, J, rtol=1e-4 if "32" in name else None)
    assert report.passed, str(report)
    assert {"symbolic", "certified"} <= set(report.agreeing)
    wrong = check(f, X, 1.01 * J)
    assert wrong.verdict == "wrong"
    assert {"symbolic", "certified"} <= set(wrong.disagreeing)


REFUSED = {
    "linalg.eigh": lambda M: np.linalg.eigh(M @ M.T)[0],
    "linalg.eigvalsh": lambda M: np.linalg.eigvalsh(M @ M.T),
    "linalg.svd": lambda M: np.linalg.svd(M)[1],
    "linalg.lstsq": lambda M: np.linalg.lstsq(M, np.ones(3), rcond=None)[0],
    "fft.fft": lambda M: np.abs(np.fft.fft(M)),
    "signal.convolve2d": lambda M: scipy.signal.convolve2d(M, K, mode="valid"),
    "linalg.expm": lambda M: scipy.linalg.expm(M),
    "linalg.cho_factor": lambda M: scipy.linalg.cho_factor(M @ M.T)[0][0, 0],
}
FOREIGN = "not available|dtype\\('O'\\)|Cannot cast|object arrays|ufunc '|recursion"


@pytest.mark.parametrize("name", REFUSED)
def test_what_isnt_followed_is_refused_by_name_and_line(name):
    report = check(REFUSED[name], A, np.ones((3, 9)) if "expm" not in name else np.ones((9, 9)))
    refusals = [w.reason for w in report.witnesses if w.name in ("complex-step", "symbolic", "certified")]
    for refusal in refusals or [report.reason]:
        if "the candidate has shape" in refusal:
            continue
        assert name in refusal, refusal
        assert "line " in refusal
        assert not __import__("re").search(FOREIGN, refusal)


def test_a_tie_in_a_sort_is_a_kink_and_no_derivative():
    report = check(lambda x: np.sort(x), [1.0, 1.0, 2.0], np.eye(3))
    assert report.verdict == "undecided"


@pytest.mark.parametrize("ends", [{}, {"left": -3.0}, {"right": 4.0}, {"left": -3.0, "right": 4.0}], ids=str)
def test_linear_interpolation_is_constant_beside_the_nodes(ends):
    nodes, values = [-1.0, 0.0, 2.0], np.array([0.3, -0.7, 1.9])
    before, after = np.eye(3)[0] * ("left" not in ends), np.eye(3)[2] * ("right" not in ends)
    f = lambda fp: np.interp([-8.0, -0.25, 0.5, 9.0], nodes, fp, **ends)  # noqa: E731
    J = np.array([before, [0.25, 0.75, 0], [0, 0.75, 0.25], after])
    report = check(f, values, J)
    assert report.passed, str(report)
    assert {"symbolic", "certified"} <= set(report.agreeing)
    at = np.array([-8.0, -0.25, 0.5, 9.0])
    report = check(lambda x: np.interp(x, nodes, values, **ends), at, np.diag([0, -1.0, 1.3, 0]))
    assert report.passed, str(report)
    assert {"symbolic", "certified"} <= set(report.agreeing)


def test_a_pseudoinverse_without_full_rank_is_refused():
    M = np.outer([1.0, 2.0, 3.0], [1.0, 1.0])
    report = check(np.linalg.pinv, M, np.zeros((6, 6)))
    assert not report.passed
    said = [w.reason for w in report.witnesses if w.name == "symbolic"]
    assert said == [] or "no full rank" in said[0] or "singular" in said[0]


def test_numpy_has_its_own_functions_again():
    own = np.zeros
    check(filled, X, np.ones((5, 6)))
    assert np.zeros is own
    assert type(np.zeros(2)) is np.ndarray


# --- precision from the value --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "cast",
    [
        lambda x: np.asarray(x, dtype=np.float32),
        lambda x: np.array(x, np.float32),
        lambda x: x.astype(np.float32),
    ],
)
def test_a_forward_pass_in_float32_is_judged_by_what_it_returns(dtype, cast):
    W = RNG.normal(size=(4, 3)).astype(np.float32)
    x = RNG.normal(size=3).astype(dtype)
    f = lambda x: np.tanh(cast(x) @ W.T)  # noqa: E731
    right = (1 - np.tanh(x @ W.T.astype(float)) ** 2)[:, None] * W
    assert check(f, x, right, rtol=1e-3).passed
    for wrong in (2 * right, -right, 1.05 * right, 0 * right):
        assert check(f, x, wrong).verdict == "wrong"
