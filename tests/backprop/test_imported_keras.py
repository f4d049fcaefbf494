"""Models of Keras 3 on JAX: outputs and Jacobians against Keras' own. Skipped where keras or jax isn't installed."""

import os

import numpy as np
import pytest

pytestmark = [pytest.mark.foreign, pytest.mark.filterwarnings("ignore")]  # of Keras' own parts
pytest.importorskip("jax")
os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras")
from backprop import UnsupportedError, from_keras, layer_costs  # noqa: E402
from jacobians import Affine, ChannelScale, LayerNorm, Softmax, Tanh  # noqa: E402
from jacobians.layers.layer_graph import LayerGraph  # noqa: E402

k = keras.layers


def perceptron():
    return keras.Sequential([
        keras.Input((5,)), k.Dense(5, activation="tanh"), k.LayerNormalization(), k.Dropout(0.5),
        k.Dense(3, activation="softmax"),
    ])  # fmt: skip


def convolutional():
    return keras.Sequential([
        keras.Input((9, 8, 2)), k.Rescaling(0.5, offset=-0.1),
        k.Conv2D(4, 3, strides=2, padding="same", activation="gelu"), k.BatchNormalization(),
        k.SeparableConv2D(3, (2, 3), padding="same", depth_multiplier=2), k.LeakyReLU(negative_slope=0.1),
        k.MaxPooling2D(2, strides=1, padding="same"), k.AveragePooling2D((3, 2), strides=2, padding="same"),
        k.Flatten(), k.Dense(4),
    ])  # fmt: skip


def residual():
    given = keras.Input((6, 6, 3))
    h = k.Conv2D(4, 3, padding="same", use_bias=False)(given)
    first = k.ReLU()(k.BatchNormalization()(h))
    h = k.DepthwiseConv2D(3, padding="same", dilation_rate=2)(first)
    h = k.Concatenate()([k.Add()([h, first]), k.Conv2D(2, 1)(given)])
    h = k.Conv2D(4, 3, groups=2)(h) * 0.5 + 1.0
    inner = keras.Sequential([k.Dense(4, activation="silu"), k.Dense(2)])
    return keras.Model(given, inner(k.GlobalAveragePooling2D()(h)))


def learnt(make, seed=0):
    keras.utils.set_random_seed(seed)
    model, rng = make(), np.random.default_rng(seed)
    for layer in model._flatten_layers():
        if isinstance(layer, k.BatchNormalization):
            size = layer.moving_mean.shape
            layer.moving_mean.assign(rng.normal(size=size))
            layer.moving_variance.assign(rng.uniform(0.5, 2.0, size=size))
    return model


def require_the_same(model, shape, net=None):
    """Compare outputs and Jacobians in float32, that of the model."""
    import jax

    net = from_keras(model, shape) if net is None else net
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    expected = np.asarray(model(x[None]))[0]
    np.testing.assert_allclose(net(x), expected, rtol=2e-5, atol=2e-5)
    theirs = np.asarray(jax.jacrev(lambda z: model(z[None])[0])(x))
    np.testing.assert_allclose(net.jacobian(x).tensor("mixed"), theirs, rtol=1e-4, atol=2e-5)
    return net


@pytest.mark.parametrize(
    ("make", "shape"), [(perceptron, (5,)), (convolutional, (9, 8, 2)), (residual, (6, 6, 3))]
)
def test_a_model_gives_the_output_and_the_jacobian_of_keras(make, shape):
    model = learnt(make)
    before = [np.array(value) for value in model.get_weights()]
    net = require_the_same(model, shape)
    assert net.imported.passed
    assert net.imported.gradient_by == "its own gradient"
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert layer_costs(net, np.zeros(shape)).parameters <= sum(map(np.size, before))


def test_layers_are_those_of_the_catalogue_and_paths_that_meet_a_graph():
    model = learnt(perceptron)
    net = from_keras(model)
    assert [type(layer) for layer in net] == [Affine, Tanh, LayerNorm, Affine, Softmax]
    np.testing.assert_array_equal(net.parameters["0.W"], np.asarray(model.layers[0].kernel).T)
    assert isinstance(from_keras(learnt(residual)), LayerGraph)


ODD = {
    "a layer used twice": lambda i: (lambda d: d(d(i)))(k.Dense(4, activation="elu")),
    "Dense behind images": lambda i: k.Dense(3, use_bias=False)(k.Reshape((2, 1, 2))(i)),
    "Permute and Flatten": lambda i: k.Flatten()(k.Permute((2, 1))(k.Reshape((2, -1))(i))),
    "Flatten of channels in front": lambda i: k.Flatten(data_format="channels_first")(
        k.Reshape((2, 1, 2))(i)
    ),
    "causal": lambda i: k.Conv1D(2, 2, padding="causal", dilation_rate=2)(k.Reshape((4, 1))(i)),
    "valid, strides": lambda i: k.Conv1D(2, 2, strides=2)(k.Reshape((4, 1))(i)),
    "maximum of all": lambda i: k.GlobalMaxPooling1D()(k.Reshape((2, 2))(i)),
    "means with axes": lambda i: k.GlobalAveragePooling1D(keepdims=True)(k.Reshape((2, 2))(i)),
    "pools along a line": lambda i: k.AveragePooling1D(2, 1, "same")(
        k.MaxPooling1D(2, 1)(k.Reshape((4, 1))(i))
    ),
    "norm of a whole image": lambda i: k.LayerNormalization(axis=[1, 2], epsilon=0.1)(k.Reshape((2, 2))(i)),
    "norm without scale": lambda i: k.BatchNormalization(scale=False, center=False)(i),
    "differences": lambda i: k.Subtract()([1.0 - i, i - 2.0]) / 4.0,
    "products": lambda i: k.Multiply()([i, k.Dense(4, activation="sigmoid")(i), i]),
    "average": lambda i: k.Average()([i, k.Activation("tanh")(i)]),
    "softmax by itself": lambda i: k.Softmax()(k.LeakyReLU()(i)),
    "operations": lambda i: keras.ops.relu(-keras.ops.tanh(i)) + keras.ops.sigmoid(i),
    "no noise in use": lambda i: k.GaussianNoise(1.0)(k.ActivityRegularization()(k.Identity()(i))),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_layers_give_what_keras_gives(name):
    given = keras.Input((4,))
    require_the_same(learnt(lambda: keras.Model(given, ODD[name](given))), (4,))


def test_channels_that_come_first_stay_there():
    given = keras.Input((2, 5, 4))
    h = k.Conv2D(3, 3, padding="same", data_format="channels_first", activation="relu")(given)
    h = k.BatchNormalization(axis=1)(h)
    h = k.Concatenate(axis=1)([h, given])
    model = learnt(lambda: keras.Model(given, k.MaxPooling2D(2, data_format="channels_first")(h)))
    require_the_same(model, (2, 5, 4))


def test_sizes_that_are_left_open_are_asked_for():
    model = keras.Sequential([keras.Input((None, None, 1)), k.Conv2D(2, 3), k.GlobalMaxPooling2D()])
    with pytest.raises(ValueError, match=r"shape: found none, expected that of one point; the model leaves"):
        from_keras(model)
    with pytest.raises(
        ValueError, match=r"shape: found \(5, 5, 2\), expected one that fits \(None, None, 1\)"
    ):
        from_keras(model, (5, 5, 2))
    require_the_same(model, (5, 6, 1))


def test_a_normalization_takes_what_it_adapted_to():
    layer = k.Normalization()
    layer.adapt(np.random.default_rng(0).normal(3.0, 2.0, size=(50, 4)).astype(np.float32))
    net = require_the_same(keras.Sequential([keras.Input((4,)), layer]), (4,))
    assert isinstance(net[0], ChannelScale)


def test_every_layer_that_is_not_supported_is_named_in_models_within_models_too():
    inner = keras.Sequential([k.Dense(4, activation="mish"), k.UnitNormalization()], name="inner")
    model = keras.Sequential(
        [
            keras.Input((4,)),
            k.Reshape((4, 1)),
            k.SimpleRNN(4, name="back"),
            inner,
            k.Lambda(lambda z: z, name="own"),
        ]
    )
    with pytest.raises(UnsupportedError) as caught:
        from_keras(model)
    assert [name.split()[0] for name in caught.value.names] == ["SimpleRNN", "UnitNormalization", "Lambda"]
    assert "found SimpleRNN 'back'; UnitNormalization" in str(caught.value)
    with pytest.raises(UnsupportedError, match=r"Dense 'd' \(activation mish\)"):
        from_keras(keras.Sequential([keras.Input((4,)), k.Dense(2, activation="mish", name="d")]))
    with pytest.raises(UnsupportedError, match=r"Activation 'a' \(activation relu\)"):
        from_keras(keras.Sequential([keras.Input((4,)), k.Activation(named_relu, name="a")]))


def named_relu(x):
    return 2 * x


named_relu.__name__ = "relu"


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.layer = k.Dense(2)

    def call(self, x):
        return self.layer(x)


def test_what_is_no_model_of_layers_gets_a_sentence():
    with pytest.raises(TypeError, match=r"model: found list, expected a keras\.Model"):
        from_keras([])
    with pytest.raises(ValueError, match="model: found Sequential that isn't built"):
        from_keras(keras.Sequential([k.Dense(2)]))
    own = Own()
    own(np.zeros((1, 3), np.float32))
    with pytest.raises(ValueError, match="model: found Own"):
        from_keras(own)
    a, b = keras.Input((2,)), keras.Input((2,))
    with pytest.raises(ValueError, match=r"model: found the inputs \[.*\], expected one"):
        from_keras(keras.Model([a, b], k.Add()([a, b])))
    with pytest.raises(ValueError, match="model: found 2 outputs, expected one array"):
        from_keras(keras.Model(a, [k.Dense(2)(a), a]))
    with pytest.raises(ValueError, match="found layers that compute in float16, expected float32 or float64"):
        from_keras(keras.Sequential([keras.Input((2,)), k.Dense(2, dtype="mixed_float16")]))


def test_a_model_that_differs_is_not_given_out(monkeypatch):
    from backprop.models import keras_values

    monkeypatch.setitem(keras_values.ELEMENTWISE, "tanh", keras_values.Sigmoid)
    with pytest.raises(ValueError, match="Sequential: the import DISAGREES with Sequential"):
        from_keras(learnt(perceptron))


def test_a_file_is_loaded_only_where_code_may_run(tmp_path):
    from backprop.models.loading import load_model

    path, model = tmp_path / "net.keras", learnt(perceptron)
    model.save(path)
    with pytest.raises(PermissionError, match=r"found net\.keras, which runs code as it is loaded"):
        load_model(str(path))
    require_the_same(model, (5,), load_model(str(path), run_code=True))
    path.write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"found net\.keras, which can't be loaded"):
        load_model(str(path), run_code=True)
