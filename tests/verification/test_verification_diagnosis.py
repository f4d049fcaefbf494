"""Planted mistakes are named; they are planted by code of this test's own, and not by the module's hypotheses."""

import numpy as np
import pytest

from jacobians import (
    Affine,
    AugmentedAffine,
    BinaryCrossEntropy,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    SquaredError,
    Tanh,
)
from verification import check, diagnose

RNG = np.random.default_rng(17)
J = RNG.normal(size=(3, 4))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


PHI = {"tanh": np.tanh, "sigmoid": sigmoid}
SLOPE = {"tanh": lambda z: 1 - np.tanh(z) ** 2, "sigmoid": lambda z: sigmoid(z) * (1 - sigmoid(z))}
LAYER = {"tanh": Tanh, "sigmoid": Sigmoid}


def network(rng, depth, sizes=None, softmax=False):
    """Return a Sequential, its weights, and its activations' names."""
    sizes = sizes or [int(n) for n in rng.integers(3, 6, size=depth + 1)]
    kinds = [str(rng.choice(["tanh", "sigmoid"])) for _ in range(depth)]
    weights = [rng.normal(size=(sizes[k + 1], sizes[k])) for k in range(depth)]
    biases = [rng.normal(size=sizes[k + 1]) for k in range(depth)]
    layers = []
    for W, b, kind in zip(weights, biases, kinds, strict=True):
        layers += [Affine(W, b), LAYER[kind]()]
    if softmax:
        layers.append(Softmax())
    return Sequential(*layers), weights, biases, kinds


def backpropagated(x, weights, biases, kinds, mistake="", at=0, softmax=False):
    """Return the Jacobian by the input by hand, with one mistake in layer `at`."""
    a, factors, points = x, [], [x]
    for k, (W, b, kind) in enumerate(zip(weights, biases, kinds, strict=True)):
        z = W @ a + b
        slope = SLOPE[kind](z)
        matrix = W
        if k == at:
            slope = {
                "missing-derivative": np.ones_like(z),
                "function-for-derivative": PHI[kind](z),
                "derivative-at-output": SLOPE[kind](PHI[kind](z)),
            }.get(mistake, slope)
            matrix = W.T if mistake == "matrix-transposed" else W
        pair = [matrix, np.diag(slope)]
        factors += pair[::-1] if mistake == "order" and k == at else pair
        a = PHI[kind](z)
        points.append(a)
    if softmax:
        p = np.exp(a) / np.exp(a).sum()
        factors.append(np.diag(p) if mistake == "softmax-elementwise" else np.diag(p) - np.outer(p, p))
    product = factors[0]
    for factor in factors[1:]:
        product = factor @ product
    return product


# --- mistakes that a matrix shows ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("candidate", "name", "says"),
    [
        (-J, "sign", "the sign is wrong"),
        (2 * J, "factor", "2·J"),
        (J / 2, "factor", "½·J"),
        (J / 4, "factor", "1/4·J, with 1/4 (4 inputs)"),
        (J / 3, "factor", "1/3·J, with 1/3 (3 outputs)"),
        (1.7 * J, "factor", "1.7·J"),
        (0 * J, "zero", "the candidate is zero"),
        (J.T, "transposed", "denominator layout"),
        (np.hstack([np.ones((3, 1)), J]), "bias-column", "without the first column"),
        (np.hstack([J, np.ones((3, 1))]), "bias-column", "without the last column"),
        (J.reshape(4, 3), "shape", "the entries are right"),
        (np.ones((2, 2)), "shape", "the shape is wrong"),
        (J * (1 + 1e-4 * RNG.normal(size=J.shape)), "noise", "size of a step error"),
        (RNG.normal(size=J.shape), "unknown", "no known mistake fits"),
        (np.where(J[1, 2] == J, np.nan, J), "not-finite", "not finite"),
    ],
)
def test_mistakes_that_a_matrix_shows(candidate, name, says):
    found = diagnose(candidate, J)
    assert found.name == name
    assert says in str(found)


def test_the_batch_size_is_recognised():
    assert "1/32, of the batch" in diagnose(J / 32, J, batch_size=32).sentence
    assert "32, the batch size" in diagnose(J * 32, J, batch_size=32).sentence


def test_the_right_answer_has_no_mistake():
    assert diagnose(J, J).name == "right"


@pytest.mark.parametrize(
    ("where", "name", "says"),
    [
        ((1, 2), "entry", "[1, 2]"),
        ((slice(None), 2), "column", "input 2"),
        ((1, slice(None)), "row", "output 1"),
    ],
)
def test_a_single_wrong_place(where, name, says):
    candidate = J.copy()
    candidate[where] = candidate[where] * 3 + np.linspace(1.0, 2.0, np.size(candidate[where])).reshape(
        np.shape(candidate[where])
    )
    found = diagnose(candidate, J)
    assert found.name == name
    assert says in found.sentence


def test_noise_in_the_only_row_that_is_not_zero_is_noise():
    right = np.zeros((3, 4))
    right[1] = [1.0, -2.0, 0.5, 3.0]
    noisy = right * (1 + 1e-4 * np.array([1.0, -0.7, 0.4, -1.2]))
    assert diagnose(noisy, right).name == "noise"
    assert diagnose(np.where(right != 0, right + np.array([1.0, 1.5, -2.0, 0.7]), 0), right).name == "row"


def test_column_major_order_of_a_matrix():
    matrix = RNG.normal(size=(2, 6))
    order = np.arange(6).reshape(2, 3).ravel(order="F")
    found = diagnose(matrix[:, order], matrix, in_shape=(2, 3))
    assert found.name == "vec-order"
    assert "column-major" in found.sentence


def test_gradients_in_the_shape_of_the_parameter():
    gradient = RNG.normal(size=(2, 3))
    assert diagnose(-gradient, gradient).name == "sign"
    assert diagnose(gradient.T, gradient).name == "transposed"


def test_an_expected_answer_must_be_finite():
    with pytest.raises(ValueError, match="expected: found values that are not finite"):
        diagnose(J, J * np.nan)


# --- mistakes in the chain rule --------------------------------------------------------------------------

CHAIN = [
    "missing-derivative",
    "function-for-derivative",
    "derivative-at-output",
    "matrix-transposed",
    "order",
]


@pytest.mark.parametrize("mistake", CHAIN)
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_mistakes_in_the_chain_rule_are_named_first(mistake, depth):
    rng = np.random.default_rng([depth, CHAIN.index(mistake)])
    named = []
    for _ in range(5):
        sizes = [4] * (depth + 1) if mistake in ("matrix-transposed", "order") else None
        net, weights, biases, kinds = network(rng, depth, sizes)
        x = rng.normal(size=weights[0].shape[1])
        at = int(rng.integers(depth))
        expected = backpropagated(x, weights, biases, kinds)
        np.testing.assert_allclose(expected, net.jacobian(x).dense(), rtol=1e-9, atol=1e-12)
        candidate = backpropagated(x, weights, biases, kinds, mistake, at)
        found = diagnose(candidate, expected, f=net, x=x)
        named.append(
            (found.name, f"layer {2 * at}" in found.sentence or f"layer {2 * at + 1}" in found.sentence)
        )
    assert named == [(mistake, True)] * 5


def test_softmax_without_its_rank_one_term():
    rng = np.random.default_rng(2)
    net, *parts = network(rng, 2, [3, 4, 3], softmax=True)
    x = rng.normal(size=3)
    right = backpropagated(x, *parts, softmax=True)
    np.testing.assert_allclose(right, net.jacobian(x).dense(), rtol=1e-9)
    found = diagnose(backpropagated(x, *parts, "softmax-elementwise", softmax=True), right, f=net, x=x)
    assert found.name == "softmax-elementwise"
    p = Softmax()(x)
    assert diagnose(np.diag(p * (1 - p)), np.diag(p) - np.outer(p, p), f=Softmax(), x=x).name == found.name


def test_the_gradient_of_another_layer():
    rng = np.random.default_rng(3)
    net, *_ = network(rng, 3, [3, 3, 3, 3])
    x = rng.normal(size=3)
    found = diagnose(
        net.jacobian(x, wrt="0.W").dense(), net.jacobian(x, wrt="2.W").dense(), f=net, x=x, wrt="2.W"
    )
    assert found.name == "shifted"
    assert "by 0.W, expected the one by 2.W" in found.sentence


def test_a_layer_fed_with_the_wrong_value():
    rng = np.random.default_rng(4)
    net, weights, biases, kinds = network(rng, 2, [3, 3, 3])
    x = rng.normal(size=3)
    z1 = weights[0] @ x + biases[0]
    z2 = weights[1] @ PHI[kinds[0]](z1) + biases[1]
    candidate = np.diag(SLOPE[kinds[1]](z2)) @ np.kron(np.eye(3), z1)  # a₁ = φ(z₁) belongs there
    found = diagnose(candidate, net.jacobian(x, wrt="2.W").dense(), f=net, x=x, wrt="2.W")
    assert found.name == "wrong-point"
    assert "the output of layer 0" in found.sentence


@pytest.mark.parametrize(
    ("candidate", "name"),
    [
        (lambda x: np.diag(np.tanh(x)), "function-for-derivative"),
        (lambda x: np.diag(1 - np.tanh(np.tanh(x)) ** 2), "derivative-at-output"),
        (lambda x: np.eye(2), "missing-derivative"),
    ],
)
def test_plain_code_is_diagnosed_too(candidate, name):
    x = np.array([0.5, 1.5])
    report = check(np.tanh, x, candidate)
    assert report.diagnosis.name == name
    assert f"diagnosis: {report.diagnosis.sentence}" in str(report)
    assert report.to_dict()["diagnosis"] == str(report.diagnosis)


def test_a_right_check_has_no_diagnosis():
    x = np.array([0.5, 1.5])
    assert check(np.tanh, x, np.diag(1 - np.tanh(x) ** 2)).diagnosis is None


# --- networks of networks, and layers that refuse another layer's value ----------------------------------


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("wrt", ["input", "0.W", "2.b"])
def test_a_network_with_a_loss_is_diagnosed_nested_or_flat(nested, wrt):
    rng = np.random.default_rng(5)
    one, two = (
        Affine(rng.normal(size=(3, 4)), rng.normal(size=3)),
        Affine(rng.normal(size=(2, 3)), [0.1, 0.2]),
    )
    loss = SquaredError([0.5, -0.5])
    layers = [one, Tanh(), two, Tanh()]
    net = Sequential(Sequential(*layers), loss) if nested else Sequential(*layers, loss)
    prefix = "0." if nested and wrt != "input" else ""
    x = rng.normal(size=4)
    z1 = one(x)
    a1 = np.tanh(z1)
    z2 = two(a1)
    own = {
        "input": two.W @ np.diag(1 - a1**2) @ one.W,
        "0.W": two.W @ np.diag(1 - a1**2) @ np.kron(np.eye(3), x),
        "2.b": np.eye(2),
    }[wrt]
    candidate = loss.jacobian(np.tanh(z2)).dense() @ np.diag(np.tanh(z2)) @ own  # φ for φ′ in the last layer
    found = check(net, x, candidate, wrt=prefix + wrt).diagnosis
    assert found.name == "function-for-derivative"
    assert ("layer 0.3 (Tanh)" if nested else "layer 3 (Tanh)") in found.sentence


def test_a_layer_deep_in_a_composition_that_is_no_chain_does_not_stop_the_diagnosis():
    rng = np.random.default_rng(6)
    block = Residual(Sequential(Affine(rng.normal(size=(3, 3)), None), Tanh()))
    net = Sequential(Sequential(block, Tanh()), Sigmoid())
    x = rng.normal(size=3)
    right = net.jacobian(x, wrt="0.0.0.0.W").dense()
    p = net(x)
    candidate = np.diag(p) @ np.diag(1 / (p * (1 - p))) @ right
    assert check(net, x, candidate, wrt="0.0.0.0.W").diagnosis.name == "function-for-derivative"


@pytest.mark.parametrize("candidate", [[[1.0, 2.0]], [[0.0, 0.0]], [[1e-3, -2e-3]]])
def test_a_layer_that_refuses_the_value_of_another_does_not_stop_the_check(candidate):
    net = Sequential(
        Affine([[1.0, -2.0]], [0.0]), Tanh(), Affine([[1.0]], [0.0]), Sigmoid(), BinaryCrossEntropy([1])
    )
    report = check(net, [0.3, 1.0], candidate)
    assert report.verdict == "wrong"
    assert report.diagnosis is not None


class Broken(Tanh):
    """Right at the point and nowhere else."""

    def derivative(self, x, wrt="input", batch_ndim=0):
        if np.max(np.abs(x)) < 0.4:
            raise RuntimeError("not here")
        return super().derivative(x, wrt, batch_ndim)


def test_a_derivative_that_raises_elsewhere_does_not_stop_the_diagnosis():
    net = Sequential(Broken(), Affine(np.eye(2) * 0.1, None), Tanh())
    x = np.array([0.5, 5.0])
    assert check(net, x, -net.jacobian(x).dense()).diagnosis.name == "sign"


# --- a bias column that stays, or goes -------------------------------------------------------------------

THETA = [RNG.normal(size=(3, 5)), RNG.normal(size=(2, 4))]
AUGMENTED = Sequential(AugmentedAffine(THETA[0]), Tanh(), AugmentedAffine(THETA[1]))
AT = RNG.normal(size=4)
DAMPING = 1 - np.tanh(THETA[0] @ [1.0, *AT]) ** 2


@pytest.mark.parametrize(
    ("candidate", "wrt", "says"),
    [
        ((THETA[1][:, 1:] * DAMPING) @ THETA[0], "input", "without the first column the candidate is J"),
        ((THETA[1][:, :-1] * DAMPING) @ THETA[0][:, 1:], "input", "in layer 2 (AugmentedAffine), but the last"),
        (
            np.vstack([np.eye(1, 4), THETA[1]]) @ np.diag([1.0, *DAMPING]) @ np.vstack([np.eye(1, 5), THETA[0]]),
            "input",
            "row and column of the bias are not dropped: without the first of each the candidate is J",
        ),
        (np.kron(THETA[1][:, 1:] * DAMPING, AT), "0.Theta", "has no entries for the first column of (3, 5)"),
    ],
)  # fmt: skip
def test_a_bias_column_in_a_network_is_named_by_the_check(candidate, wrt, says):
    report = check(AUGMENTED, AT, candidate, wrt)
    assert report.verdict == "wrong"
    assert report.diagnosis.name == "bias-column"
    assert says in report.diagnosis.sentence


def test_a_bias_column_in_a_gradient():
    gradient = RNG.normal(size=(3, 4))
    wide = np.hstack([np.ones((3, 1)), gradient])
    assert diagnose(wide, gradient.reshape(1, 12), in_shape=(3, 4)).name == "bias-column"
    assert diagnose(gradient, wide, out_shape=(), in_shape=(3, 5)).name == "bias-column"
    assert diagnose(np.hstack([J, np.ones((3, 1))]).T, J).name == "transposed+bias-column"


def test_another_shape_that_is_no_mistake_we_know_has_no_diagnosis():
    report = check(AUGMENTED, AT, RNG.normal(size=(2, 5)))
    assert (report.verdict, report.diagnosis) == ("wrong", None)
    assert "found" not in str(report.diagnosis)


# --- two mistakes at once --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("candidate", "name", "says"),
    [
        (2 * J.T, "transposed+factor", "the candidate is transposed, and a constant factor is wrong, 2"),
        (-J.T, "transposed+sign", "the candidate is transposed, and the sign is wrong"),
        (J.T / 32, "transposed+factor", "1/32, of the batch"),
        (0.5 * J[:, :3].T, "transposed+factor", "½"),
    ],
)
def test_two_mistakes_that_a_matrix_shows(candidate, name, says):
    found = diagnose(candidate, J if candidate.shape == (4, 3) else J[:, :3], batch_size=32)
    assert found.name == name
    assert found.sentence.startswith("two mistakes: ")
    assert says in found.sentence


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda wrong: 2 * wrong, "missing-derivative+factor"),
        (lambda wrong: -wrong, "missing-derivative+sign"),
        (lambda wrong: wrong.T, "transposed+missing-derivative"),
    ],
)
def test_a_mistake_in_the_chain_rule_and_another(spoil, name):
    wrong = THETA[1][:, 1:] @ THETA[0][:, 1:]
    found = diagnose(spoil(wrong), AUGMENTED.jacobian(AT), f=AUGMENTED, x=AT)
    assert found.name == name
    assert "layer 1 (Tanh)" in found.sentence


def test_a_column_major_order_and_a_sign():
    order = np.arange(6).reshape(2, 3).ravel(order="F")
    matrix = RNG.normal(size=(2, 6))
    assert diagnose(-matrix[:, order], matrix, in_shape=(2, 3)).name == "vec-order+sign"


def test_three_mistakes_are_not_guessed():
    wrong = -2 * (THETA[1][:, 1:] @ THETA[0][:, 1:]).T
    assert diagnose(1.3 * wrong, AUGMENTED.jacobian(AT), f=AUGMENTED, x=AT).sentence == "the shape is wrong"


# --- calls that make no sense ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"wrt": None},
            TypeError,
            "wrt: found None, expected 'input' or the name of a parameter of a Function",
        ),
        ({"f": Tanh, "x": [0.0] * 4}, TypeError, "f: found the class Tanh, expected a Function or"),
        ({"out_shape": 3}, TypeError, "out_shape: found 3, expected a tuple of integers such as"),
        ({"in_shape": (2.0, 2)}, TypeError, r"in_shape: found \(2.0, 2\), expected a tuple of integers"),
        ({"in_shape": (5,)}, ValueError, r"found \(3,\) and \(5,\), expected the shapes .* of 12 entries"),
        ({"batch_size": 0}, ValueError, "batch_size: found 0, expected an integer of at least 1"),
        ({"batch_size": 1.5}, TypeError, "batch_size: found 1.5, expected an integer of at least 1"),
    ],
)
def test_calls_of_diagnose_that_make_no_sense(arguments, error, message):
    with pytest.raises(error, match=message):
        diagnose(-J, J, **arguments)


def test_a_function_without_a_point_says_nothing_of_the_shapes():
    J = np.arange(6.0).reshape(2, 3) + 1
    assert diagnose(-J, J, f=np.tanh).name == diagnose(-J, J).name == "sign"


def test_rows_in_column_major_order_are_named():
    J = np.random.default_rng(0).normal(size=(6, 4))
    rows = np.arange(6).reshape(2, 3).T.reshape(-1)
    found = diagnose(J[rows], J, out_shape=(2, 3), in_shape=(4,))
    assert found.name == "vec-order"
    assert found.sentence.startswith("the rows are in column-major (Fortran) order of (2, 3)")


@pytest.mark.parametrize("form", [lambda G: G, lambda G: G.reshape(1, -1)])
@pytest.mark.parametrize(
    ("f", "gradient"),
    [
        (lambda A: np.linalg.slogdet(A)[1], lambda A: np.linalg.inv(A).T),
        (lambda A: np.linalg.det(A), lambda A: np.linalg.det(A) * np.linalg.inv(A).T),
        (lambda A: np.trace(A @ A @ A), lambda A: 3 * (A @ A).T),
    ],
)
def test_the_inverse_in_place_of_its_transpose_is_a_transposed_gradient(f, gradient, form):
    A = np.array([[2.0, 1.0], [0.5, 3.0]])
    found = check(f, A, form(gradient(A).T))
    assert found.verdict == "wrong"
    assert found.diagnosis.name == "transposed"
    assert str(found.diagnosis).startswith("the gradient is transposed")


@pytest.mark.parametrize("shape", [(3, 4), (1, 2), (2, 2), (4, 3)])
@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("row", [False, True])
def test_what_a_bias_adds_is_named_wherever_it_stands(shape, place, row):
    J = np.random.default_rng(3).normal(size=shape)
    m, n = shape
    wide = np.zeros((m + row, n + 1))
    rows, columns = ((slice(row, None), slice(1, None)), (slice(m), slice(n)))[place == "last"]
    wide[rows, columns] = J
    corner = 0 if place == "first" else -1
    wide[:, corner] = 0.7
    if row:
        wide[corner] = 0
        wide[corner, corner] = 1
    found = diagnose(wide, J)
    assert found.name == "bias-column"
    assert f"without the {place} " in found.sentence
