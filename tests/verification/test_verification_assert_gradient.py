"""assert_gradient: right gradients pass, wrong ones say what is wrong, and shapes are equal or refused."""

import numpy as np
import pytest

import backprop
from jacobians import Sequential, SoftmaxCrossEntropy
from verification import assert_gradient

X = np.array([0.5, -1.0, 2.0])
W = np.array([[1.0, 2.0], [3.0, 5.0]])


def energy(x):
    return np.sum(x**2)


def bilinear(W):
    return np.array([1.0, 2.0]) @ np.tanh(W) @ np.array([0.5, 1.0])


def bilinear_gradient(W):
    return np.outer([1.0, 2.0], [0.5, 1.0]) * (1 - np.tanh(W) ** 2)


def test_right_gradients_pass():
    assert_gradient(energy, 2 * X, at=X)
    assert_gradient(energy, lambda x: 2 * x, at=X)
    assert_gradient(energy, [2, 4], at=[1, 2])
    assert_gradient(energy, 6.0, at=3.0)
    assert_gradient(bilinear, bilinear_gradient, at=W)
    assert_gradient(lambda x: 1e-9 * energy(x), 2e-9 * X, at=X)
    assert_gradient(energy, 2 * X.astype(np.float32), at=X.astype(np.float32))


def test_gradients_of_a_network_by_every_parameter():
    net = backprop.MLP.initialize([3, 4, 2], seed=0)
    loss = Sequential(*net.layers, SoftmaxCrossEntropy([0.0, 1.0]))
    for name, gradient in net.gradients(X, 1).items():
        assert_gradient(loss, gradient, at=X, wrt=name)
        with pytest.raises(AssertionError, match=rf"(?s)^gradient by {name}, shape .*the candidate is 2·J"):
            assert_gradient(loss, 2 * gradient, at=X, wrt=name)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("factor", [0.0, -1.0, 1.001])
def test_wrong_gradients_raise_the_report(scale, factor):
    with pytest.raises(AssertionError, match=r"(?s)^gradient by input, shape \(3,\): wrong: .*\nworst entry"):
        assert_gradient(lambda x: scale * energy(x), factor * scale * 2 * X, at=X)


def test_a_transposed_gradient_of_a_square_matrix_is_named():
    with pytest.raises(
        AssertionError, match=r"diagnosis: the gradient is transposed: it is in numerator layout"
    ):
        assert_gradient(bilinear, lambda W: bilinear_gradient(W).T, at=W)


@pytest.mark.parametrize(
    ("at", "gradient", "sentence"),
    [
        (
            X,
            (2 * X)[:, None],
            r"found shape \(3, 1\), expected \(3,\), the shape of the input; its entries are right: resh",
        ),
        (X, (3 * X)[:, None], r"found shape \(3, 1\), expected \(3,\), the shape of the input$"),
        (
            X,
            (2 * X)[None],
            r"found shape \(1, 3\), expected .*; its entries are right: reshape it to \(3,\)$",
        ),
        (X, [], r"found shape \(0,\)"),
        (np.ones((2, 3)), np.full((3, 2), 2.0), r"expected \(2, 3\), .*; it may be transposed$"),
        (X, lambda x: None, r"found None, expected an array; is a return missing\?$"),
        (X, np.full(3, np.nan), r"wrong: the candidate has nan in 3 of 3 entries"),
    ],
)
def test_what_is_no_gradient_fails_with_a_sentence(at, gradient, sentence):
    with pytest.raises(AssertionError, match=rf"^gradient by input.*{sentence}"):
        assert_gradient(energy, gradient, at=at)


def test_a_parameter_is_named_where_its_shape_differs():
    net = backprop.MLP.initialize([3, 4, 2], seed=0)
    loss = Sequential(*net.layers, SoftmaxCrossEntropy([0.0, 1.0]))
    sentence = (
        r"^gradient by 0.W: found shape \(3, 4\), expected \(4, 3\), "
        r"the shape of the parameter 0.W; it may be transposed$"
    )
    with pytest.raises(AssertionError, match=sentence):
        assert_gradient(loss, net.gradients(X, 1)["0.W"].T, at=X, wrt="0.W")


def test_kinks_randomness_and_written_inputs_do_not_pass():
    with pytest.raises(AssertionError, match=r"undecided: kink within the step"):
        assert_gradient(lambda x: np.sum(np.abs(x)), [0.0], at=[0.0])
    rng = np.random.default_rng(0)
    with pytest.raises(AssertionError, match=r"undecided: f is random"):
        assert_gradient(lambda x: rng.normal() * np.sum(x), np.ones(3), at=X)
    with pytest.raises(AssertionError, match=r"undecided: f returned None"):
        assert_gradient(lambda x: None, np.ones(3), at=X)

    def greedy(x):
        x *= 2
        return x

    with pytest.raises(
        AssertionError, match=r"^gradient by input: the callable gradient writes to its input$"
    ):
        assert_gradient(energy, greedy, at=X)


def test_a_call_that_makes_no_sense_is_no_failed_assertion():
    with pytest.raises(
        ValueError, match=r"^f: found a value of shape \(3,\), expected a scalar; .* use assert_jacobian$"
    ):
        assert_gradient(np.sin, np.cos(X), at=X)
    with pytest.raises(ValueError, match=r"^wrt: found 'W', expected 'input'"):
        assert_gradient(energy, 2 * X, at=X, wrt="W")
    with pytest.raises(
        TypeError, match=r"^layout: found 'mixed', expected none: a gradient has the shape of x$"
    ):
        assert_gradient(energy, 2 * X, at=X, layout="mixed")


def test_a_gradient_of_another_shape_is_explained():
    x, dout = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]]), np.array([[0.5, -1.0], [2.0, 0.3], [-0.7, 1.1]])
    loss = lambda b: np.sum(dout * np.tanh(x + b))  # noqa: E731
    unsummed = dout * (1 - np.tanh(x) ** 2)
    with pytest.raises(AssertionError, match="diagnosis: it is not summed over axis 0"):
        assert_gradient(loss, unsummed, at=np.zeros(2))
    with pytest.raises(AssertionError) as told:
        assert_gradient(loss, unsummed, at=np.zeros(2), reveal="verdict")
    assert "diagnosis" not in str(told.value)
