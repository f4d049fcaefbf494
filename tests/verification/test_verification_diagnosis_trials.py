"""The figures of the benchmark of plain code, in small: planted mistakes are named, right gradients get no name."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from jacobians import LayerNorm
from verification import check

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "diagnosis_trials.py"


@pytest.fixture(scope="module")
def trials():
    spec = importlib.util.spec_from_file_location("diagnosis_trials", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_planted_mistakes_are_named_first(trials):
    found = [trials.planted(np.random.default_rng([5, number])) for number in range(45)]
    outcomes = [one for one in found if one is not None]
    misses = [one.text for one in outcomes if not one.first]
    assert len(outcomes) > 30
    assert len(misses) <= (1 - trials.NAMED) * len(outcomes), misses


def test_right_gradients_get_no_name(trials):
    assert trials.right_names(10, seed=5) == []


def test_the_rules_of_the_trials_are_right(trials):
    for number in range(10):
        program = trials.Program(np.random.default_rng([6, number]))
        assert check(program.function(), program.x, program.gradient().reshape(1, -1)).passed, program.source


def test_the_command_prints_all_figures(trials, capsys):
    assert trials.main(["--trials", "4", "--seed", "3"]) in (0, 1)
    printed = capsys.readouterr().out
    assert "of 100 named first" in printed
    assert "right gradients" in printed
    with pytest.raises(SystemExit, match="2"):
        trials.main(["--trials", "0"])


# --- plain code, mistake by mistake, that the layers of courses don't have ---------------------------------------

RNG = np.random.default_rng(3)
W, V, x = RNG.normal(size=(3, 4)), RNG.normal(size=(2, 3)), RNG.normal(size=4)
S = RNG.normal(size=(3, 3)) + 3 * np.eye(3)


def layers(x):
    return V @ np.tanh(W @ x)


def inverse(A):
    return np.linalg.inv(A)


T = np.tanh(W @ x)
Y = np.linalg.inv(S)


@pytest.mark.parametrize(
    ("f", "at", "candidate", "name", "words"),
    [
        (layers, x, V @ W, "missing-derivative", "tanh is left out (layers, line"),
        (layers, x, V @ np.diag(T) @ W, "function-for-derivative", "tanh stands for its derivative"),
        (layers, x, 2 * V @ W, "missing-derivative+factor", "a factor 2"),
        (layers, x, -V @ W, "missing-derivative+sign", "the sign is wrong"),
        (layers, x, (V @ W).T, "transposed+missing-derivative", "two mistakes"),
        (inverse, S, np.diag(-1 / S.ravel() ** 2), "elementwise", "entry by entry"),
        (inverse, S, -np.kron(Y, Y), "matrix-transposed", "one factor is not transposed"),
        (inverse, S, np.kron(Y, Y.T), "sign", "−J"),
        (lambda z: z @ S @ z, x[:3], S + S.T, "hessian", "expected the gradient"),
        (
            lambda z: np.linalg.solve(S, z),
            x[:3],
            S,
            "missing-factor",
            "the matrix of solve stands for its inverse",
        ),
        (lambda z: np.cumsum(z**2), x, np.diag(2 * x), "elementwise", "cumsum is taken entry by entry"),
        (
            lambda z: z / np.linalg.norm(z),
            x,
            np.eye(4) / np.linalg.norm(x),
            "missing-path",
            "through norm is left out",
        ),
        (lambda z: S @ z @ S, S.T @ S, np.kron(S, S), "matrix-transposed", "is transposed at @"),
        (
            lambda z: z + np.tanh(S @ z),
            x[:3],
            np.diag(1 - np.tanh(S @ x[:3]) ** 2) @ S,
            "missing-path",
            "the term z",
        ),
        (LayerNorm(), x, np.eye(4) / np.sqrt(x.var() + 1e-5), "missing-path", "statistics are held constant"),
    ],
)
def test_a_mistake_in_plain_code_is_named_by_a_check(f, at, candidate, name, words):
    found = check(f, at, candidate).diagnosis
    assert (found.name, words in found.sentence) == (name, True), str(found)


def per_point(X):
    return np.tanh(X @ W.T)


def softmax_of_rows(Z):
    e = np.exp(Z - Z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_a_softmax_over_the_wrong_axis_is_named():
    Z, D = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 3))
    P = softmax_of_rows(Z)
    for mean, words in (((P * D).sum(), "all entries"), ((P * D).sum(axis=0), "axis 0")):
        found = check(lambda Z: np.sum(D * softmax_of_rows(Z)), Z, (P * (D - mean)).reshape(1, -1)).diagnosis
        assert (found.name, words in found.sentence) == ("wrong-axis", True), str(found)


def test_an_answer_for_symmetric_arguments_is_recognised():
    B = S @ S.T
    log_det = lambda M: 2 * np.sum(np.log(np.diag(np.linalg.cholesky(M))))  # noqa: E731
    found = check(log_det, B, np.linalg.inv(B).reshape(1, -1)).diagnosis
    assert (found.name, found.sentence) == (
        "symmetry",
        "it is right for symmetric arguments: f reads one triangle only",
    )


def test_the_blocks_of_a_batch_are_recognised():
    X = RNG.normal(size=(5, 4))
    blocks = np.stack([np.diag(1 - np.tanh(W @ one) ** 2) @ W for one in X])
    found = check(per_point, X, blocks)
    assert found.verdict == "wrong"
    assert "Jacobian of each of 5 points" in found.diagnosis.sentence


def test_code_that_cannot_be_followed_is_still_diagnosed_by_its_numbers():
    found = check(lambda z: np.array([float(z[0]) ** 2, z[1]]), [1.0, 2.0], np.diag([-2.0, -1.0])).diagnosis
    assert found.name == "sign"


def test_arrays_around_the_code_are_named_and_never_written_to():
    gamma, dout = RNG.normal(size=4), RNG.normal(size=4)
    before = gamma.copy(), dout.copy()
    found = check(
        lambda z: np.sum(dout * gamma * np.tanh(z)), x, (dout * (1 - np.tanh(x) ** 2))[None]
    ).diagnosis
    assert "gamma" in found.sentence
    assert np.array_equal(before[0], gamma)
    assert np.array_equal(before[1], dout)


def test_a_right_answer_has_no_diagnosis():
    report = check(layers, x, V @ np.diag(1 - T**2) @ W)
    assert (report.verdict, report.diagnosis) == ("right", None)
