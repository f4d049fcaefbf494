"""Models of ONNX and scikit-learn with options that people have: outputs of the source, or refused by name."""

import numpy as np
import pytest

from backprop import UnsupportedError, from_onnx, from_sklearn
from jacobians import ChannelMaxPool
from jacobians.structures import Dense

onnx = pytest.importorskip("onnx")
pytest.importorskip("sklearn")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402
from sklearn.decomposition import PCA, TruncatedSVD  # noqa: E402
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier, SGDClassifier  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler  # noqa: E402

node = helper.make_node
RNG = np.random.default_rng(0)
W, K = RNG.normal(size=(4, 3)), RNG.normal(size=(2, 2, 3, 3))
VECTORS = {name: RNG.uniform(0.5, 2.0, size=2) for name in "gbmv"}


def model(nodes, shape, constants=None, opset=21, kind=TensorProto.DOUBLE, inputs=None):
    given = [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()]
    x = inputs or [helper.make_tensor_value_info("x", kind, ["N", *shape])]
    y = helper.make_tensor_value_info("y", kind, None)
    graph = helper.make_graph(nodes, "net", x, [y], given)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def pool(kind, **options):
    return [node(kind, ["x"], ["y"], **options)]


TAKEN = {
    "a number as the bias of Gemm": (
        [node("Gemm", ["x", "W", "b"], ["y"], alpha=2.0, beta=0.5)], (4,), {"W": W, "b": 2.0}),
    "a product with matrices": ([node("MatMul", ["x", "W"], ["y"])], (2, 4), {"W": W}),
    "a matrix used twice": (
        [node("MatMul", ["x", "V"], ["a"]), node("Add", ["b", "a"], ["c"]), node("MatMul", ["c", "V"], ["y"])],
        (3,), {"V": W[:3], "b": np.ones(3)},
    ),
    "weights that are turned first": (
        [node("Transpose", ["W"], ["V"]), node("MatMul", ["x", "V"], ["y"])], (3,), {"W": W}),
    "a shape that is computed": (
        [node("Shape", ["x"], ["s"]), node("Gather", ["s", "zero"], ["n"]), node("Unsqueeze", ["n", "axes"], ["m"]),
         node("Concat", ["m", "rest"], ["to"], axis=0), node("Reshape", ["x", "to"], ["y"])],
        (4, 2), {"zero": np.array(0), "axes": np.array([0]), "rest": np.array([-1])},
    ),
    "windows that are rounded up": (pool("MaxPool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), (2, 6, 6)),
    "a last window behind the end": (
        pool("MaxPool", kernel_shape=[2, 2], strides=[3, 3], pads=[1, 1, 1, 1], ceil_mode=1), (2, 5, 5)
    ),
    "means that are rounded up": (
        pool("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1), (2, 6, 6)
    ),
    "windows with gaps": (pool("MaxPool", kernel_shape=[2, 2], dilations=[2, 2]), (2, 6, 6)),
    "same padding, more behind": (
        [node("Conv", ["x", "K"], ["y"], auto_pad="SAME_UPPER", strides=[2, 2])], (2, 6, 5), {"K": K}
    ),
    "same padding, more before": (
        [node("Conv", ["x", "K"], ["y"], auto_pad="SAME_LOWER", strides=[2, 2])], (2, 6, 5), {"K": K}
    ),
    "same padding of means": (
        pool("AveragePool", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"), (2, 6, 6)),
    "unlike pads and steps": (
        [node("Conv", ["x", "K", "b"], ["y"], dilations=[2, 1], pads=[1, 0, 2, 1])], (2, 7, 7), {"K": K,
         "b": np.ones(2)}
    ),
    "the largest of a channel": (pool("GlobalMaxPool"), (2, 3, 3)),
    "gelu written out": (
        [node("Div", ["x", "r"], ["a"]), node("Erf", ["a"], ["b"]), node("Add", ["b", "one"], ["c"]),
         node("Mul", ["x", "c"], ["d"]), node("Mul", ["d", "half"], ["y"])],
        (4,), {"r": 2**0.5, "one": 1.0, "half": 0.5},
    ),
    "gelu by tanh": ([node("Gelu", ["x"], ["y"], approximate="tanh")], (4,)),
    "bounds as inputs": ([node("Clip", ["x", "low", "high"], ["y"])], (4,), {"low": -0.5, "high": 0.7}),
    "bounds as attributes": ([node("Clip", ["x"], ["y"], min=0.0, max=0.5)], (4,), {}, 6),
    "no upper bound": ([node("Clip", ["x", "low"], ["y"])], (4,), {"low": 0.0}),
    "a number less a value": ([node("Sub", ["c", "x"], ["y"])], (4,), {"c": 1.5}),
    "a number for each entry": ([node("Add", ["x", "c"], ["y"])], (2, 3), {"c": RNG.normal(size=(2, 3))}),
    "a number for each column": ([node("Mul", ["x", "c"], ["y"])], (2, 3), {"c": RNG.normal(size=3)}),
    "three values": (
        [node("Relu", ["x"], ["a"]), node("Tanh", ["x"], ["b"]), node("Sum", ["x", "a", "b"], ["y"])], (4,)),
    "a mean of values": ([node("Exp", ["x"], ["a"]), node("Mean", ["x", "a"], ["y"])], (4,)),
    "values side by side": ([node("Concat", ["x", "x"], ["y"], axis=-1)], (2, 3)),
    "axes in another order": ([node("Transpose", ["x"], ["y"], perm=[0, 2, 1])], (4, 2)),
    "a norm of a whole image": (
        [node("LayerNormalization", ["x", "g"], ["y"], axis=1)], (2, 3), {"g": RNG.normal(size=(2, 3))}
    ),
    "a mask that is off": (
        [node("Dropout", ["x", "r", "t"], ["y"])], (4,), {"r": np.float32(0.5), "t": np.array(False)}
    ),
    "axes as attributes": (
        [node("Unsqueeze", ["x"], ["a"], axes=[1]), node("Squeeze", ["a"], ["y"], axes=[1])], (4,), {}, 11
    ),
    "floats in a node": (
        [node("Constant", [], ["c"], value_floats=[1.0, 2.0]), node("Add", ["x", "c"], ["y"])], (2,)),
    "a branch that leads nowhere": ([node("Sin", ["x"], ["z"]), node("Relu", ["x"], ["y"])], (3,)),
}  # fmt: skip


@pytest.mark.parametrize("name", TAKEN)
def test_odd_options_give_the_output_of_the_reference(name):
    nodes, shape, *rest = TAKEN[name]
    constants = {
        key: np.asarray(value, float) if np.asarray(value).dtype == np.float64 else value
        for key, value in (rest[0] if rest else {}).items()
    }
    floats = any(own.op_type == "Constant" for own in nodes)
    made = model(nodes, shape, constants, *rest[1:], **({"kind": TensorProto.FLOAT} if floats else {}))
    x = RNG.normal(size=(1, *shape))
    (expected,) = ReferenceEvaluator(made).run(None, {"x": x.astype(np.float32) if floats else x})
    net = from_onnx(made)
    np.testing.assert_allclose(net(x[0]), expected[0], rtol=1e-6, atol=1e-6)
    assert net.imported.passed


def test_statistics_of_old_versions_are_those_that_were_learnt():
    nodes = [node("BatchNormalization", ["x", *"gbmv"], ["y"], epsilon=1e-3)]
    net, x = from_onnx(model(nodes, (2, 3), VECTORS, opset=9)), RNG.normal(size=(2, 3))
    g, b, m, v = (VECTORS[name][:, None] for name in "gbmv")
    np.testing.assert_allclose(net(x), (x - m) / np.sqrt(v + 1e-3) * g + b, rtol=1e-6)


@pytest.mark.parametrize(
    ("nodes", "shape", "constants", "names"),
    [
        ([node("Gemm", ["x", "W"], ["y"], transA=1)], (4,), {"W": W}, ("Gemm (transA)",)),
        ([node("Dropout", ["x", "r", "t"], ["y"])], (4,), {"r": np.float32(0.5), "t": np.array(True)},
         ("Dropout (training_mode)",)),
        ([node("BatchNormalization", ["x", *"gbmv"], ["y", "p", "q"], training_mode=1)], (2,), VECTORS,
         ("BatchNormalization (training_mode)",)),
        ([node("ConvTranspose", ["x", "K"], ["a"], name="up"), node("Pad", ["a", "p"], ["y"])], (2, 3, 3),
         {"K": K, "p": np.array([0, 0, 1, 1, 0, 0, 1, 1])}, ("ConvTranspose 'up'", "Pad")),
        ([node("Relu", ["x"], ["y"], domain="own")], (2,), {}, ("Relu",)),
        ([node("ConstantOfShape", ["s"], ["c"]), node("Add", ["x", "c"], ["y"])], (4,),
         {"s": np.array([10**6, 10**6])}, ("ConstantOfShape",)),
        ([node("Softmax", ["x"], ["y"])], (2, 3), {}, ("Softmax (of more than vectors)",)),
        ([node("LayerNormalization", ["x", "g"], ["y"])], (3, 2), {"g": VECTORS["g"]},
         ("LayerNormalization (from axis -1 on, not over all of a point)",)),
        (pool("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, ceil_mode=1,
         count_include_pad=1), (2, 6, 6),
         {}, ("AveragePool (ceil_mode of means that count a padding)",)),
    ],
)  # fmt: skip
def test_what_has_no_counterpart_is_named_with_its_option(nodes, shape, constants, names):
    with pytest.raises(UnsupportedError) as caught:
        from_onnx(model(nodes, shape, constants))
    assert caught.value.names == names


def damaged(change):
    made = model([node("MatMul", ["x", "W"], ["y"])], (4,), {"W": W})
    change(made)
    return made


def announce(made):
    made.graph.initializer[0].dims[0] = 10**12


def unknown_type(made):
    made.graph.initializer[0].data_type = 99


def elsewhere(made):
    made.graph.initializer[0].data_location = TensorProto.EXTERNAL


@pytest.mark.parametrize(
    ("made", "error", "sentence"),
    [
        (damaged(announce), ValueError, r"the array 'W' of type 11 and shape \(1000000000000, 3\), whose"),
        (damaged(unknown_type), ValueError, r"found the array 'W' of type 99"),
        (damaged(elsewhere), ValueError, "found weights in other files, expected them in the model"),
        (damaged(lambda made: made.graph.ClearField("output")), ValueError, "found no output, expected one"),
        (damaged(lambda made: made.graph.ClearField("input")), ValueError, r"found the inputs \[\], expected one"),
        (damaged(lambda made: made.graph.ClearField("node")), ValueError, "found the output 'y' that no node makes"),
        (model([node("Relu", ["q"], ["y"])], (3,)), ValueError, "the value 'q' in Relu that no node before it makes"),
        (model([node("Relu", ["x"], ["y"])], ("H", 3)), ValueError, r"an input of shape \['N', 'H', 3\], expected"),
        (model([node("Relu", ["x"], ["y"])], (10**6, 10**6)), MemoryError, r"one point of shape \(1000000, 1000000"),
    ],
)  # fmt: skip
def test_a_damaged_or_hostile_model_gets_one_sentence(made, error, sentence):
    with pytest.raises(error, match=sentence) as caught:
        from_onnx(made)
    assert "\n" not in str(caught.value)


# --- scikit-learn ----------------------------------------------------------------------------------------

X = RNG.normal(size=(60, 4))
TWO, THREE = RNG.integers(0, 2, 60), RNG.integers(0, 3, 60)
LABELS, VALUES = np.stack([TWO, 1 - TWO], axis=1), X @ RNG.normal(size=4)


def quietly(estimator, y, inputs=X):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(inputs, y)


@pytest.mark.parametrize(
    ("estimator", "y", "truth"),
    [
        (MLPClassifier((3,), max_iter=3, activation="identity"), LABELS, "predict_proba"),
        (MLPClassifier((3,), max_iter=3), LABELS, "predict_proba"),
        (MLPClassifier((), max_iter=3), THREE, "predict_proba"),
        (MLPRegressor(hidden_layer_sizes=(3,), max_iter=3), LABELS, "predict"),
        (GridSearchCV(Ridge(), {"alpha": [1.0, 2.0]}, cv=2), VALUES, "predict"),
        (make_pipeline(FunctionTransformer(), TruncatedSVD(2), Ridge()), VALUES, "predict"),
        (make_pipeline(make_pipeline(StandardScaler(with_mean=False), PCA(3)), "passthrough",
         RidgeClassifier()), LABELS,
         "decision_function"),
        (LogisticRegression(fit_intercept=False), np.array(["a", "b", "c"])[THREE], "predict_proba"),
    ],
)  # fmt: skip
def test_models_of_scikit_learn_with_options_give_their_own_output(estimator, y, truth):
    fitted = quietly(estimator, y)
    found = from_sklearn(fitted)(X, batched=True)
    np.testing.assert_allclose(
        found.reshape(60, -1), getattr(fitted, truth)(X).reshape(60, -1), rtol=1e-9, atol=1e-12
    )


def test_coefficients_that_are_sparse_are_read():
    fitted = quietly(SGDClassifier(), THREE).sparsify()
    np.testing.assert_allclose(from_sklearn(fitted)(X, batched=True), fitted.decision_function(X), rtol=1e-9)


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (
            make_pipeline(FunctionTransformer(np.tanh), Ridge()),
            "model.functiontransformer (FunctionTransformer of tanh)",
        ),
        (make_pipeline(MinMaxScaler(clip=True), Ridge()), "model.minmaxscaler (MinMaxScaler with clip=True)"),
        (make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(3,), max_iter=3)), None),
    ],
)
def test_a_part_of_a_pipeline_that_has_no_counterpart_is_named(estimator, name):
    fitted = quietly(estimator, abs(VALUES))
    if name is None:
        fitted.steps[-1][1].out_activation_ = "exp"  # as a loss for counts has it
        name = "model.mlpregressor (MLPRegressor with the output activation exp)"
    with pytest.raises(UnsupportedError) as caught:
        from_sklearn(fitted)
    assert caught.value.names == (name,)


def test_a_pipeline_of_which_one_step_is_not_fitted_is_refused():
    with pytest.raises(ValueError, match="found Pipeline that isn't fitted, expected one after fit"):
        from_sklearn(make_pipeline(StandardScaler().fit(X), Ridge()))


# --- the comparison itself -------------------------------------------------------------------------------


def test_of_many_inputs_some_directions_are_compared(monkeypatch):
    from backprop.models import onnx_operations, verified
    from jacobians import Elementwise

    wide = RNG.normal(size=(200, 3)) / 10
    nodes = [node("MatMul", ["x", "W"], ["a"]), node("Tanh", ["a"], ["y"])]
    made, calls = model(nodes, (200,), {"W": wide}), []
    seen = verified.finite_difference_jacobian
    monkeypatch.setattr(
        verified, "finite_difference_jacobian", lambda *a, **k: calls.append(a[1].size) or seen(*a, **k)
    )
    assert from_onnx(made).imported.gradient_error < 1e-7
    assert calls == [1] * verified.TRIALS * verified.DIRECTIONS
    wrong = onnx_operations._elementwise(lambda given: Elementwise("tanh", np.tanh, np.cos))
    monkeypatch.setitem(onnx_operations.OPERATIONS, "Tanh", wrong)
    with pytest.raises(ValueError, match="the import DISAGREES with model"):
        from_onnx(made)


def test_windows_with_gaps_that_pick_one_entry_twice_add_up():
    layer = ChannelMaxPool(2, 2, dilation=2)
    J = layer.jacobian([[0.0, 1.0, 9.0, 2.0, 3.0]])
    assert J.dense().argmax(axis=1).tolist() == [2, 2]
    product = J.T @ Dense(np.ones((2, 1)))
    np.testing.assert_array_equal(product.dense(), [[0], [0], [2], [0], [0]])
