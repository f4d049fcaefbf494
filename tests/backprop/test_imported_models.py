"""Networks of other libraries: outputs and Jacobians against the source's own, and what is not supported by name."""

import pickle

import numpy as np
import pytest

import backprop
import jacobians as jb
import verification
from backprop import MLP, UnsupportedError, from_description, from_onnx, from_sklearn
from jacobians.layers.activations import ACTIVATIONS

# --- scikit-learn ----------------------------------------------------------------------------------------

sklearn = pytest.importorskip("sklearn")
from sklearn.datasets import load_digits  # noqa: E402
from sklearn.decomposition import PCA  # noqa: E402
from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge, RidgeClassifier  # noqa: E402
from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, StandardScaler  # noqa: E402


def fitted(model, features=4, classes=3):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, features))
    y = rng.integers(0, classes, 60) if classes else X @ rng.normal(size=features)
    with np.errstate(all="ignore"):
        return model.fit(X, y), X


def perceptron(kind, **options):
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fitted(
            kind(max_iter=5, random_state=0, **options), **({"classes": 0} if kind is MLPRegressor else {})
        )


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
def test_a_square_perceptron_of_scikit_learn_gives_its_probabilities(activation):
    model, X = perceptron(MLPClassifier, hidden_layer_sizes=(4, 4), activation=activation)
    net = from_sklearn(model)
    np.testing.assert_allclose(net(X, batched=True), model.predict_proba(X), rtol=1e-12)
    assert net.imported.passed
    assert net.imported.gradient_by == "central differences"
    # as it is stored the matrix fits, and gives another network
    if activation == "tanh":
        stored = [*zip(model.coefs_, model.intercepts_, strict=True)]
        weights = [*stored[:2], (stored[2][0].T, stored[2][1])]
        wrong = MLP(weights, output_activation="softmax", loss="cross-entropy")
        assert abs(wrong(X[0]) - model.predict_proba(X[:1])[0]).max() > 1e-3


def test_a_fitted_digits_classifier_behind_scalers():
    import warnings

    digits = load_digits()
    pipeline = make_pipeline(
        StandardScaler(), PCA(20, whiten=True), MLPClassifier((16,), max_iter=10, random_state=0)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.fit(digits.data, digits.target)
    net = from_sklearn(pipeline)
    x = digits.data[3]
    np.testing.assert_allclose(net(x), pipeline.predict_proba(x[None])[0], rtol=1e-9, atol=1e-12)
    difference = verification.finite_difference_jacobian(net.imported.black_box, x)
    np.testing.assert_allclose(net.jacobian(x).dense(), difference, atol=1e-8)


@pytest.mark.parametrize(
    ("model", "classes", "truth"),
    [
        (LogisticRegression(), 3, "predict_proba"),
        (make_pipeline(MinMaxScaler(), LogisticRegression()), 3, "predict_proba"),
        (RidgeClassifier(), 3, "decision_function"),
        (Ridge(), 0, "predict"),
    ],
)
def test_linear_models_give_their_own_outputs(model, classes, truth):
    model, X = fitted(model, classes=classes)
    found = from_sklearn(model)(X, batched=True)
    np.testing.assert_allclose(found.reshape(60, -1), getattr(model, truth)(X).reshape(60, -1), rtol=1e-10)


def test_two_classes_and_regressions():
    model, X = fitted(LogisticRegression(), classes=2)
    np.testing.assert_allclose(from_sklearn(model)(X, batched=True)[:, 0], model.predict_proba(X)[:, 1])
    model, X = perceptron(MLPRegressor, hidden_layer_sizes=(5,))
    np.testing.assert_allclose(from_sklearn(model)(X, batched=True)[:, 0], model.predict(X))


def test_what_scikit_learn_has_and_we_have_not_is_named():
    model, _ = fitted(make_pipeline(PolynomialFeatures(2), StandardScaler(), Ridge()), classes=0)
    with pytest.raises(
        UnsupportedError, match=r"found model.polynomialfeatures \(PolynomialFeatures\), expected only"
    ):
        from_sklearn(model)
    counts = PoissonRegressor().fit([[0.0], [1.0]], [1.0, 2.0])
    with pytest.raises(UnsupportedError, match="PoissonRegressor"):
        from_sklearn(counts)
    with pytest.raises(ValueError, match="found MLPClassifier that isn't fitted"):
        from_sklearn(MLPClassifier())
    with pytest.raises(TypeError, match="found list, expected a fitted estimator"):
        from_sklearn([])


def test_an_import_that_disagrees_is_not_given_out(monkeypatch):
    model, _ = perceptron(MLPClassifier, hidden_layer_sizes=(4, 4))
    monkeypatch.setattr(model, "predict_proba", lambda X: np.ones((len(X), 3)) / 3)
    with pytest.raises(
        ValueError, match="MLPClassifier: the import DISAGREES with MLPClassifier at 3 points"
    ):
        from_sklearn(model)


def test_an_import_goes_through_pickle_without_its_source():
    model, X = perceptron(MLPClassifier, hidden_layer_sizes=(4, 4))
    net = pickle.loads(pickle.dumps(from_sklearn(model)))
    np.testing.assert_allclose(net(X[0]), model.predict_proba(X[:1])[0])
    assert net.imported.passed
    with pytest.raises(RuntimeError, match="the source is not pickled"):
        net.imported.black_box(X[0])


# --- ONNX ------------------------------------------------------------------------------------------------

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

RNG = np.random.default_rng(5)


def onnx_model(nodes, shape, constants, output="y"):
    given = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    kind = (
        TensorProto.DOUBLE
        if all(np.asarray(v).dtype != np.float32 for v in constants.values())
        else TensorProto.FLOAT
    )
    x = helper.make_tensor_value_info("x", kind, ["N", *shape])
    y = helper.make_tensor_value_info(output, kind, None)
    graph = helper.make_graph(nodes, "net", [x], [y], given)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])


def numbers(*shape):
    return RNG.normal(size=shape)


def perceptron_nodes():
    return [
        helper.make_node("Gemm", ["x", "W1", "b1"], ["a"], transB=1),
        helper.make_node("Tanh", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "W2"], ["c"]),
        helper.make_node("Add", ["c", "b2"], ["d"]),
        helper.make_node("Softmax", ["d"], ["y"], axis=-1),
    ]


def convolutional_nodes():
    return [
        helper.make_node(
            "Conv", ["x", "K", "k"], ["a"], pads=[1, 1, 1, 1], strides=[1, 2], kernel_shape=[3, 3]
        ),
        helper.make_node("BatchNormalization", ["a", "g", "h", "m", "v"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("MaxPool", ["c"], ["d"], kernel_shape=[2, 2], strides=[2, 1]),
        helper.make_node("AveragePool", ["d"], ["e"], kernel_shape=[2, 2], pads=[0, 1, 0, 0], strides=[1, 1]),
        helper.make_node("Flatten", ["e"], ["f"]),
        helper.make_node("Gemm", ["f", "W", "w"], ["y"], alpha=0.5, beta=2.0),
    ]


def residual_nodes():
    return [
        helper.make_node("Conv", ["x", "K"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "L"], ["c"], pads=[1, 1, 1, 1], group=2),
        helper.make_node("Add", ["c", "x"], ["d"]),
        helper.make_node("Concat", ["d", "b"], ["e"], axis=1),
        helper.make_node("GlobalAveragePool", ["e"], ["f"]),
        helper.make_node("Reshape", ["f", "to"], ["g"]),
        helper.make_node("Gemm", ["g", "W"], ["y"]),
    ]


MODELS = {
    "perceptron": (
        perceptron_nodes(), (5,),
        {"W1": numbers(4, 5), "b1": numbers(4), "W2": numbers(4, 3), "b2": numbers(3)},
    ),
    "convolutional": (
        convolutional_nodes(), (2, 4, 6),
        {"K": numbers(3, 2, 3, 3), "k": numbers(3), "g": numbers(3), "h": numbers(3), "m": numbers(3),
         "v": numbers(3) ** 2 + 0.1, "W": numbers(6, 2), "w": numbers(2)},
    ),
    "residual": (
        residual_nodes(), (2, 3, 3),
        {"K": numbers(2, 2, 3, 3), "L": numbers(2, 1, 3, 3), "to": np.array([0, -1]), "W": numbers(4, 3)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_model_of_onnx_gives_the_output_of_its_reference(name, dtype):
    from onnx.reference import ReferenceEvaluator

    nodes, shape, constants = MODELS[name]
    typed = {
        key: value.astype(dtype) if value.dtype.kind == "f" else value for key, value in constants.items()
    }
    model = onnx_model(nodes, shape, typed)
    net = from_onnx(model)
    X = RNG.normal(size=(3, *shape)).astype(dtype)
    (expected,) = ReferenceEvaluator(model).run(None, {"x": X})
    np.testing.assert_allclose(
        net(X, batched=True), expected, rtol=1e-10 if dtype is np.float64 else 1e-4, atol=1e-6
    )
    assert net(X[0]).dtype == dtype
    assert net.imported.passed
    x = RNG.normal(size=shape)
    difference = verification.finite_difference_jacobian(net.imported.black_box, x)
    np.testing.assert_allclose(net.jacobian(x).dense(), difference, atol=1e-8 * abs(difference).max() + 1e-9)


def test_a_residual_model_is_a_graph_of_layers_that_is_planned_and_counted():
    nodes, shape, constants = MODELS["residual"]
    net = from_onnx(onnx_model(nodes, shape, constants))
    assert isinstance(net, jb.LayerGraph)
    x = RNG.normal(size=shape)
    chain = backprop.Chain.from_network(net, x)
    for strategy in ("reverse", "forward", "optimal"):
        plan = chain.plan(strategy)
        assert plan.execute().cost == plan.cost
    for by in net.parameters:
        report = verification.check(net, x, wrt=by)
        assert report.verdict == "right", report


def test_a_perceptron_of_onnx_is_made_of_the_layers_of_the_catalogue():
    nodes, shape, constants = MODELS["perceptron"]
    net = from_onnx(onnx_model(nodes, shape, constants))
    assert [type(layer) for layer in net] == [jb.Affine, jb.Tanh, jb.Affine, jb.Softmax]
    np.testing.assert_array_equal(net.parameters["2.W"], constants["W2"].T)


def test_every_node_that_is_not_supported_is_named():
    nodes = [
        helper.make_node("Gemm", ["x", "W"], ["a"], name="first"),
        helper.make_node("Sin", ["a"], ["b"], name="wave"),
        helper.make_node("Cos", ["b"], ["c"]),
        helper.make_node("Softmax", ["c"], ["y"], axis=0),
    ]
    with pytest.raises(UnsupportedError) as caught:
        from_onnx(onnx_model(nodes, (3,), {"W": numbers(3, 2)}))
    assert caught.value.names == ("Sin 'wave'", "Cos")
    assert "found Sin 'wave'; Cos, expected only Add, AveragePool" in str(caught.value)


def test_files_that_are_no_models_get_a_sentence(tmp_path):
    path = tmp_path / "a.onnx"
    with pytest.raises(ValueError, match=r"model: found no file a\.onnx"):
        from_onnx(path)
    path.write_bytes(b"\x08\x99nothing")
    with pytest.raises(ValueError, match=r"a\.onnx"):
        from_onnx(path)
    nodes, shape, constants = MODELS["perceptron"]
    onnx.save(onnx_model(nodes, shape, constants), path)
    assert from_onnx(path).imported.source == "a.onnx"
    with pytest.raises(TypeError, match="model: found int, expected a path"):
        from_onnx(3)


# --- descriptions ----------------------------------------------------------------------------------------

TOML = """
input = [1, 4, 4]
weights = "w.npz"

[[layers]]
kind = "convolution"
W = "K"
padding = 1
[[layers]]
kind = "residual"
layers = [{kind = "tanh"}, {kind = "convolution", W = "L", padding = [[1, 1], [1, 1]]}]
[[layers]]
kind = "max-pool"
window = 2
[[layers]]
kind = "flatten"
[[layers]]
kind = "affine"
W = "W"
b = [0.5, -0.5]
[[layers]]
kind = "softmax"
"""


def test_a_description_is_read_without_running_anything(tmp_path):
    K, L, W = numbers(2, 1, 3, 3), numbers(2, 2, 3, 3), numbers(2, 8)
    np.savez(tmp_path / "w.npz", K=K, L=L, W=W)
    path = tmp_path / "net.toml"
    path.write_text(TOML)
    net = from_description(path)
    x = numbers(1, 4, 4)
    made = jb.Sequential(
        jb.Convolution(K, padding=1), jb.Residual(jb.Sequential(jb.Tanh(), jb.Convolution(L, padding=1))),
        jb.ChannelMaxPool(2), jb.Flatten(), jb.Affine(W, [0.5, -0.5]), jb.Softmax(),
    )  # fmt: skip
    np.testing.assert_array_equal(net(x), made(x))
    assert net.imported.gradient_by == "central differences"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            TOML.replace("flatten", "flaten"),
            r"net.toml: found flaten; did you mean 'flatten'\?, expected only",
        ),
        (TOML.replace('W = "K"', 'W = "Q"'), r"layers\[0\].W: found 'Q', expected one of \['K', 'L', 'W'\]"),
        (
            TOML.replace("w.npz", "../w.npz"),
            "weights: found '../w.npz', expected the name of a file .npz beside it",
        ),
        (TOML.replace("w.npz", "v.npz"), "weights: found no file v.npz"),
        (
            TOML.replace("window = 2", "size = 2"),
            r"layers\[2\]: found \['size'\] for max-pool, expected only",
        ),
        (TOML.replace("[1, 4, 4]", "[2, 4, 4]"), r"x: found shape \(2, 4, 4\), expected 1 channels"),
        ("input = [3]", r"found the fields \['input'\], expected input, layers"),
        ("input = [", "which is no TOML"),
    ],
)
def test_a_description_that_is_none_gets_a_sentence(tmp_path, text, sentence):
    np.savez(tmp_path / "w.npz", K=numbers(2, 1, 3, 3), L=numbers(2, 2, 3, 3), W=numbers(2, 8))
    path = tmp_path / "net.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=sentence):
        from_description(path)


def test_weights_that_would_be_unpickled_are_refused(tmp_path):
    np.savez(tmp_path / "w.npz", K=np.array([{}], dtype=object))
    path = tmp_path / "net.toml"
    path.write_text(TOML)
    with pytest.raises(ValueError, match=r"w\.npz: found no file of arrays, or a damaged one"):
        from_description(path)


def npz_of(path, name, content):
    import zipfile

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)


def npy_header(shape, kind="<f8"):
    import io

    made = io.BytesIO()
    np.lib.format.write_array_header_1_0(made, {"descr": kind, "fortran_order": False, "shape": shape})
    return made.getvalue()


SMALL = """
input = [3]
weights = "w.npz"
[[layers]]
kind = "affine"
W = "W"
"""


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("W.npy", npy_header((10**9, 10**3)) + b"x", r"announces shape \(1000000000, 1000\)"),
        ("W.npy", npy_header((20_000_000,)) + bytes(160_000_000), "of arrays, more than the"),
        ("../../W.npy", npy_header((2, 3)) + bytes(48), "found 'W', expected one of"),
        ("W.npy", npy_header((2, 3), "|O") + pickle.dumps([print]), "holds pickled objects"),
        ("W.npy", npy_header((2, 3), "<c16") + bytes(96), "no real numbers"),
        ("W.npy", npy_header((2, 3)) + np.full(6, np.nan).tobytes(), "found outputs of NaN or inf"),
        ("W.npy", npy_header((2, 4)) + bytes(64), r"net\.toml: x: found shape \(3,\), expected"),
    ],
)
def test_weights_of_a_hostile_archive_get_one_sentence(tmp_path, name, content, sentence):
    npz_of(tmp_path / "w.npz", name, content)
    (tmp_path / "net.toml").write_text(SMALL)
    with pytest.raises(ValueError, match=sentence) as caught:
        from_description(tmp_path / "net.toml")
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.toml", "w.npz"]


@pytest.mark.parametrize(
    ("name", "text", "error", "sentence"),
    [
        ("n.toml", "input = [3]\n[[layers]]\nkind = 'affine'", ValueError, "found affine without W"),
        ("n.toml", "input = [1000000, 1000000]\n[[layers]]\nkind = 'relu'", MemoryError, "n.toml: one point of"),
        ("n.toml", "input = [1, 3, 3]\n[[layers]]\nkind = 'mean-pool'\nwindow = 1\npadding = 1000000", MemoryError,
         "the windows"),
        ("n.toml", "input = [3]\nlayers = " + "[{kind='residual',layers=" * 300 + "[]" + "}]" * 300, ValueError,
         "which is no TOML"),
        ("n.json", "[" * 100_000, ValueError, "which is no JSON"),
        ("n.json", '{"input": [' + "9" * 5000 + "]}", ValueError, "which is no JSON"),
        ("n.json", '{"input": [3], "input": [4], "layers": [{"kind": "relu"}]}', ValueError, "'input' stands 2 times"),
        ("n.json", '{"input": [1], "layers": [{"kind": "affine", "W": [[NaN]]}]}', ValueError, "found outputs of NaN"),
    ],
)  # fmt: skip
def test_a_hostile_description_gets_one_sentence(tmp_path, name, text, error, sentence):
    (tmp_path / name).write_text(text)
    with pytest.raises(error, match=sentence) as caught:
        from_description(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_what_never_ends_is_not_read(tmp_path):
    endless = tmp_path / "net.toml"
    endless.symlink_to("/dev/zero")
    with pytest.raises(ValueError, match=r"found no file net\.toml that can be read"):
        from_description(endless)
    (tmp_path / "net.onnx").symlink_to("/dev/zero")
    with pytest.raises(ValueError, match=r"model: found no file net\.onnx"):
        from_onnx(tmp_path / "net.onnx")


def test_a_model_of_nan_never_passes():
    model, _ = perceptron(MLPClassifier, hidden_layer_sizes=(4,))
    model.coefs_[0][0, 0] = np.nan
    with (
        pytest.raises(ValueError, match="MLPClassifier: found outputs of NaN or inf at a random point"),
        np.errstate(all="ignore"),
    ):
        from_sklearn(model)


# --- the command -----------------------------------------------------------------------------------------


def test_the_report_takes_a_model_in_a_file(tmp_path, capsys):
    from backprop.cli import main

    path = tmp_path / "net.onnx"
    nodes, shape, constants = MODELS["perceptron"]
    onnx.save(onnx_model(nodes, shape, constants), path)
    assert main(["report", "--network", str(path), "--output", str(tmp_path / "out"), "--quiet"]) == 0
    assert (tmp_path / "out" / "report.html").is_file()
    (tmp_path / "bad.toml").write_text("input = [")
    assert main(["report", "--network", str(tmp_path / "bad.toml"), "--output", str(tmp_path / "out")]) == 2
    assert "--network: path: found bad.toml, which is no TOML" in " ".join(capsys.readouterr().err.split())


def test_what_runs_code_as_it_is_loaded_needs_to_be_allowed(tmp_path, capsys):
    import joblib

    from backprop.cli import main

    model, _ = perceptron(MLPClassifier, hidden_layer_sizes=(4,))
    path = tmp_path / "net.joblib"
    joblib.dump(model, path)
    call = ["report", "--network", str(path), "--output", str(tmp_path / "out"), "--quiet"]
    assert main(call) == 2
    assert "found net.joblib, which runs code as it is loaded" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out" / "report.html").exists()
    assert main([*call, "--run-code"]) == 0


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        (
            "a.pt",
            ["--run-code"],
            "found a.pt, expected a file .onnx, .toml, .json, .joblib, .keras, .pkl, .pt2; write",
        ),
        ("a.H5", [], "write a model by model.save('net.keras')"),
        ("a.safetensors", [], "convert it to ONNX"),
        ("a.ONNX", [], "found a.ONNX, which is no model in the format ONNX"),
        ("a.joblib", ["--run-code"], "found a.joblib, which can't be loaded ("),
        ("a.toml", [], "--network: a.toml: one point of shape (1000000, 1000000)"),
        ("no.onnx", [], "--network: model: found no file no.onnx"),
    ],
)
def test_wrong_files_get_one_sentence_of_the_command(tmp_path, capsys, name, options, sentence):
    from backprop.cli import main

    if not name.startswith("no"):
        text = "input = [1000000, 1000000]\n[[layers]]\nkind = 'relu'" if name == "a.toml" else "garbage"
        (tmp_path / name).write_text(text)
    call = [
        "report",
        "--network",
        str(tmp_path / name),
        "--output",
        str(tmp_path / "out"),
        "--quiet",
        *options,
    ]
    assert main(call) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert sentence in error
    assert "Traceback" not in error


def test_a_row_that_the_table_of_activations_gets_later_is_a_kind_of_descriptions(tmp_path, monkeypatch):
    monkeypatch.setitem(ACTIVATIONS, "later_on", jb.Softplus)
    path = tmp_path / "net.toml"
    path.write_text('input = [3]\n[[layers]]\nkind = "later-on"\n')
    x = np.array([0.5, -1.0, 2.0])
    np.testing.assert_allclose(from_description(path)(x), np.log1p(np.exp(x)))
