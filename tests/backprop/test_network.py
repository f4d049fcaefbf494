"""MLP: its gradients by the δ recursion, by the explicit chain and by differences of the loss agree; its doors."""

import math

import numpy as np
import pytest

import verification
from backprop import MLP, Chain
from backprop.learning.targets import LOSSES
from jacobians import Elementwise, LeakyReLU, Sequential, SquaredError, Tanh
from jacobians.layers.activations import ACTIVATIONS

PROBABILITIES = {"cross-entropy": "softmax", "binary-cross-entropy": "sigmoid"}


def network(loss, activation="tanh", sizes=(3, 5, 4, 2), **options):
    options.setdefault("output_activation", PROBABILITIES.get(loss))
    net = MLP.initialize(sizes, activation=activation, loss=loss, seed=3, **options)
    rng = np.random.default_rng(5)  # biases away from 0, where rectifiers have their kink
    net.update(
        {name: value + 0.1 * rng.standard_normal(value.shape) for name, value in net.parameters.items()}
    )
    return net


def points(count=6, seed=2):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, 3)), rng.integers(2, size=count)


def difference_gradients(loss, parameters, step=1e-6):
    """Central differences of a plain function of a dict of arrays, entry by entry."""
    found = {}
    for name, value in parameters.items():
        slopes = np.empty(value.size)
        for place in range(value.size):
            both = []
            for sign in (1, -1):
                moved = value.copy().ravel()
                moved[place] += sign * step
                both.append(loss({**parameters, name: moved.reshape(value.shape)}))
            slopes[place] = (both[0] - both[1]) / (2 * step)
        found[name] = slopes.reshape(value.shape)
    return found


def assert_same(found, expected, rtol=1e-12, atol=1e-14):
    assert list(found) == list(expected)
    for name in expected:
        assert found[name].shape == expected[name].shape
        np.testing.assert_allclose(found[name], expected[name], rtol=rtol, atol=atol, err_msg=name)


# --- three ways to the same gradient ---------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_recursion_chain_and_differences_agree_for_every_loss(loss):
    net, (x, y) = network(loss), points()
    found = net.gradients(x, y)
    assert_same(found, net.gradients(x, y, method="jacobians"))
    assert_same(found, difference_gradients(lambda p: net.replace(p).loss(x, y), net.parameters), 1e-6, 1e-8)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_recursion_chain_and_differences_agree_for_every_activation(activation):
    net, (x, y) = network("squared-error", activation, output_activation=activation), points()
    found = net.gradients(x, y)
    assert_same(found, net.gradients(x, y, method="jacobians"))
    assert_same(found, difference_gradients(lambda p: net.replace(p).loss(x, y), net.parameters), 1e-6, 1e-8)


def test_softmax_on_the_last_layer_goes_through_its_whole_jacobian():
    net, (x, y) = network("squared-error", output_activation="softmax"), points()
    assert_same(net.gradients(x, y), net.gradients(x, y, method="jacobians"))
    assert_same(
        net.gradients(x, y),
        difference_gradients(lambda p: net.replace(p).loss(x, y), net.parameters),
        1e-6,
        1e-8,
    )


def test_a_gradient_over_a_batch_is_the_mean_of_the_gradients_of_its_points():
    net, (x, y) = network("softmax-cross-entropy"), points()
    each = [net.gradients(point, label) for point, label in zip(x, y, strict=True)]
    for method in ("delta", "jacobians"):
        mean = {name: np.mean([g[name] for g in each], axis=0) for name in net.parameters}
        assert_same(net.gradients(x, y, method=method), mean)
    losses = [net.loss(point, label) for point, label in zip(x, y, strict=True)]
    assert net.loss(x, y) == pytest.approx(np.mean(losses), rel=1e-14)


def test_a_point_and_a_batch_of_one_have_the_same_gradient():
    net, (x, y) = network("softmax-cross-entropy"), points()
    for method in ("delta", "jacobians"):
        assert_same(net.gradients(x[0], y[0], method=method), net.gradients(x[:1], y[:1], method=method))


def test_gradients_equal_the_rows_of_the_networks_own_jacobian():
    net, (x, y) = network("squared-error"), points(1)
    row = net.loss_function(int(y[0])).jacobian(net(x[0])).dense()
    for name, gradient in net.gradients(x[0], y[0]).items():
        np.testing.assert_allclose(
            row @ net.jacobian(x[0], wrt=name).dense(), gradient.reshape(1, -1), rtol=1e-12
        )


def test_class_numbers_and_rows_of_the_identity_are_one_target():
    net, (x, y) = network("softmax-cross-entropy"), points()
    assert_same(net.gradients(x, y), net.gradients(x, np.eye(2)[y]), rtol=0, atol=0)
    assert net.loss(x, y) == net.loss(x, np.eye(2)[y])


def test_one_output_takes_the_classes_0_and_1_or_targets():
    net = network("sigmoid-binary-cross-entropy", sizes=(3, 4, 1))
    x, y = points()
    assert_same(net.gradients(x, y), net.gradients(x, y[:, None].astype(float)), rtol=0, atol=0)
    assert net.accuracy(x, y) == np.mean((net(x, batched=True)[:, 0] > 0) == y)


def test_layers_without_bias_have_no_gradient_of_one():
    net = MLP([(np.eye(2, 3), None), (np.ones((1, 2)), [1.0])], loss="squared-error")
    found = net.gradients([[1.0, 2.0, 3.0]], [[0.0]])
    assert list(found) == ["0.W", "2.W", "2.b"]
    assert_same(found, net.gradients([[1.0, 2.0, 3.0]], [[0.0]], method="jacobians"))


def test_a_loss_and_an_activation_of_ones_own():
    cube = Elementwise("cube", lambda z: z**3, lambda z: 3 * z**2)
    net = MLP.initialize([3, 4, 2], activation=cube, loss=lambda y: SquaredError(y, scale=3.0), seed=1)
    x, y = points()
    assert_same(net.gradients(x, y), net.gradients(x, y, method="jacobians"))
    assert net.loss(x, y) == pytest.approx(
        3 * np.mean(((net(x, batched=True) - np.eye(2)[y]) ** 2).sum(axis=1))
    )


def test_float32_stays_float32_and_is_near_float64():
    x, y = points()
    single = MLP.initialize([3, 5, 2], seed=3, dtype=np.float32)
    double = MLP.initialize([3, 5, 2], seed=3)
    for method in ("delta", "jacobians"):
        found = single.gradients(x.astype(np.float32), y, method=method)
        assert {g.dtype for g in found.values()} == {np.dtype(np.float32)}
        assert_same(found, double.gradients(x, y), rtol=1e-4, atol=1e-6)
    assert {d.dtype for d in single.deltas(x.astype(np.float32), y)} == {np.dtype(np.float32)}
    assert single(x.astype(np.float32), batched=True).dtype == np.float32


def test_nan_goes_through_and_belongs_to_no_class():
    net, (x, y) = network("squared-error"), points(3)
    x[1, 0] = math.nan
    assert all(np.isnan(gradient).any() for gradient in net.gradients(x, y).values())
    assert net.predict(x)[1] == -1
    assert math.isnan(net.loss(x, y))


# --- a Function like any other ---------------------------------------------------------------------------


def test_a_network_is_a_sequential_with_its_parameters():
    net = MLP.initialize([2, 3, 4, 1], activation="relu", loss="squared-error")
    assert isinstance(net, Sequential)
    assert net.parameter_count == 30 == (2 * 3 + 3) + (3 * 4 + 4) + (4 * 1 + 1)
    assert list(net.parameters) == ["0.W", "0.b", "2.W", "2.b", "4.W", "4.b"]
    assert [type(layer).__name__ for layer in net] == ["Affine", "ReLU", "Affine", "ReLU", "Affine"]
    assert net.sizes == (2, 3, 4, 1)
    assert repr(net) == "MLP(2-3-4-1, relu, squared-error)"
    assert repr(network("cross-entropy")) == "MLP(3-5-4-2, tanh, output softmax, cross-entropy)"


def test_a_batch_goes_through_jacobian_linearize_and_chain():
    net, (x, _) = network("softmax-cross-entropy"), points()
    plain = Sequential(*net.layers)
    np.testing.assert_array_equal(net(x, batched=True), plain(x, batched=True))
    np.testing.assert_array_equal(
        net.jacobian(x, batched=True).dense(), plain.jacobian(x, batched=True).dense()
    )
    assert len(net.linearize(x[0]).jacobians) == 5
    chain = Chain.from_network(net, x[0], net.loss_function(1), by="2.W")
    assert chain.names == ("SoftmaxCrossEntropy", "4.Affine", "3.Tanh", "2.Affine/W")


def test_update_binds_new_arrays_and_writes_to_none():
    net, (x, _) = network("squared-error"), points(1)
    before = net.jacobian(x[0])
    kept, held = before.dense(), net.parameters
    values = {name: value.copy() for name, value in held.items()}
    layers = net.layers
    net.update({"0.W": np.zeros((5, 3))})
    assert net.layers is not layers
    np.testing.assert_array_equal(before.dense(), kept)
    assert_same(held, values, rtol=0, atol=0)
    np.testing.assert_array_equal(net.parameters["0.W"], np.zeros((5, 3)))
    with pytest.raises(ValueError, match="read-only"):
        net.parameters["0.W"][0, 0] = 1.0


def test_loss_function_of_a_batch_has_a_value_a_point():
    net, (x, y) = network("softmax-cross-entropy"), points()
    values = net.loss_function(y, batched=True)(net(x, batched=True), batched=True)
    assert values.shape == (6,)
    np.testing.assert_allclose(values.mean(), net.loss(x, y), rtol=1e-14)
    assert net.loss_function(int(y[0]))(net(x[0])) == pytest.approx(values[0], rel=1e-14)


def test_predict_takes_the_largest_output_and_the_first_of_equals():
    net = MLP([(np.eye(3), None)])
    assert net.predict([[1.0, 3.0, 2.0], [2.0, 2.0, 1.0]]).tolist() == [1, 0]
    assert net.predict([0.0, 0.0, 5.0]) == 2
    assert net.accuracy([[1.0, 3.0, 2.0], [2.0, 2.0, 1.0]], [1, 1]) == 0.5


@pytest.mark.parametrize(
    ("loss", "output", "share"),
    [
        ("sigmoid-binary-cross-entropy", None, 0.0),
        ("binary-cross-entropy", "sigmoid", 0.5),
        ("squared-error", None, 0.5),
    ],
)
def test_the_threshold_of_one_output_follows_the_loss(loss, output, share):
    net = MLP([([[1.0]], None)], loss=loss, output_activation=output)
    inputs = np.linspace(-2, 2, 9)[:, None]
    assert net.predict(inputs).tolist() == (net(inputs, batched=True)[:, 0] > share).astype(int).tolist()


@pytest.mark.parametrize("wrt", ["input", "0.W", "2.b"])
def test_every_witness_of_the_checks_agrees(wrt):
    net, (x, _) = network("softmax-cross-entropy"), points(1)
    report = verification.check(net, x[0], wrt=wrt)
    assert report.passed, str(report)
    assert len(report.witnesses) >= 3


# --- first weights ---------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_network_and_another_one_another():
    first, again, other = (MLP.initialize([4, 3, 2], seed=seed) for seed in (1, 1, 2))
    assert_same(first.parameters, again.parameters, rtol=0, atol=0)
    assert not np.array_equal(first.parameters["0.W"], other.parameters["0.W"])
    assert not first.parameters["0.b"].any()


def test_first_weights_have_the_variance_of_glorot_and_of_he():
    n, h = 400, 300
    glorot = MLP.initialize([n, h, 2], activation="tanh").parameters["0.W"]
    assert np.abs(glorot).max() <= math.sqrt(6 / (n + h))
    assert glorot.var() == pytest.approx(2 / (n + h), rel=0.02)
    he = MLP.initialize([n, h, 2], activation="relu").parameters["0.W"]
    assert he.var() == pytest.approx(2 / n, rel=0.02)
    leaky = MLP.initialize([n, h, 2], activation=LeakyReLU(2.0)).parameters["0.W"]
    assert leaky.var() == pytest.approx(2 / (n * (1 + 2.0**2)), rel=0.02)
    last = MLP.initialize([2, n, h], activation="relu").parameters["2.W"]  # affine only: no rectifier follows
    assert np.abs(last).max() <= math.sqrt(6 / (n + h))


def test_an_mlp_of_one_layer_is_its_affine_map():
    net = MLP([(np.eye(2), [1.0, 1.0])], activation=Tanh())
    assert net([1.0, 2.0]).tolist() == [2.0, 3.0]
    assert repr(net) == "MLP(2-2, softmax-cross-entropy)"
