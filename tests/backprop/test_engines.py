"""Engines: what each makes of a recording agrees with NumPy's code, whatever the numbers, layouts and shapes are."""

from __future__ import annotations

import importlib.util
import pickle
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import backprop
from backprop import MLP
from backprop.compiling import engines
from jacobians import Affine, Function, Sequential, SquaredError
from jacobians.layers.activations import ACTIVATIONS

EXTRAS = {"numba": "fast", "jax": "jax"}
ENGINES = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            importlib.util.find_spec(name) is None, reason=f"the extra {extra} ({name}) is not installed"
        ),
    )
    for name, extra in EXTRAS.items()
]
each_engine = pytest.mark.parametrize("engine", ENGINES)


def network(sizes: list[int], activation: str, dtype: Any = np.float64, seed: int = 0) -> MLP:
    rng = np.random.default_rng(seed)
    layers = [
        (
            rng.standard_normal((m, n)).astype(dtype) / np.sqrt(n).astype(dtype),
            rng.standard_normal(m).astype(dtype),
        )
        for n, m in pairwise(sizes)
    ]
    return MLP(layers, activation=activation, loss="squared-error")


def dense(net: Function, x: Any) -> Any:
    return net.jacobian(x, batched=x.ndim > 1).dense()


# --- Jacobians of networks ---------------------------------------------------------------------------------


@each_engine
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize(("shape", "dtype"), [((130, 3), np.float64), ((4, 3), np.float32)])
def test_every_activation_at_points_and_batches(engine: str, activation: str, shape: Any, dtype: Any) -> None:
    net = network([3, 4, 2, 2], activation, dtype)  # LLVM takes seconds for larger ones
    x = (np.random.default_rng(1).standard_normal(shape) * 2).astype(dtype)
    compiled = backprop.compile(net, shape=shape, batched=len(shape) > 1, dtype=dtype, engine=engine)
    assert compiled.engine == engine
    found, tolerance = compiled(x), 1e-12 if dtype is np.float64 else 2e-5
    assert found.dtype == dtype
    assert found.flags.writeable
    assert_allclose(found, dense(net, x), rtol=tolerance, atol=tolerance / 100)
    out = np.empty_like(found)
    assert compiled(x, out) is out
    assert_allclose(out, found, rtol=0, atol=0)


@each_engine
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(64,), (40, 64)])
def test_larger_networks_between_products(engine: str, activation: str, shape: Any) -> None:
    net = network([64, 128, 70, 10], activation)
    x = np.random.default_rng(1).standard_normal(shape) * 3
    whole, compiled = (
        backprop.compile(net, shape=shape, batched=len(shape) > 1, engine=engine, form=form)
        for form in ("auto", "arrays")
    )
    assert_allclose(whole(x), dense(net, x), rtol=1e-11, atol=1e-13)
    assert_allclose(compiled(x), dense(net, x), rtol=1e-11, atol=1e-13)
    if engine != "numba":
        return
    dead = activation == "relu" and len(shape) == 1  # units that are dead leave at a point, by their indices
    assert (whole.form == "loops") == (not dead)
    assert dead or f"{activation}_and_slope(" in compiled.source


HARD = [np.nan, np.inf, -np.inf, 1000.0, -1000.0, 0.0, -0.0, 1e-300, 354.0, -709.5, 30.0, -20.0]


@each_engine
@pytest.mark.parametrize(
    ("activation", "wide"), [*((name, True) for name in ACTIVATIONS), ("tanh", False), ("gelu", False)]
)
def test_numbers_at_the_ends_of_floats(engine: str, activation: str, wide: bool) -> None:
    n = 40 if wide else 1
    net = Sequential(
        Affine(np.ones((n, 1)), np.zeros(n)), ACTIVATIONS[activation](), Affine(np.ones((1, n)) / n)
    )
    usual = backprop.compile(net, shape=(len(HARD), 1), batched=True)
    compiled = backprop.compile(net, shape=(len(HARD), 1), batched=True, engine=engine)
    x = np.array(HARD)[:, None]
    assert_allclose(compiled(x), usual(x), rtol=1e-11, atol=1e-290)


@each_engine
@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("sizes", [[4, 5, 2], [64, 128, 10]])
def test_strided_and_read_only_and_unaligned_points(engine: str, batched: bool, sizes: list[int]) -> None:
    net = network(sizes, "tanh")
    n = sizes[0]
    shape = (6, n) if batched else (n,)
    compiled = backprop.compile(net, shape=shape, batched=batched, engine=engine)
    wide = np.random.default_rng(0).standard_normal((*shape[:-1], 2 * n))
    strided = wide[..., ::2]
    read_only = strided.copy()
    read_only.flags.writeable = False
    raw = np.zeros(strided.size * 8 + 1, np.uint8)
    unaligned = raw[1:].view(np.float64).reshape(shape)
    unaligned[...] = strided
    fortran = np.asfortranarray(strided)
    reverse = strided[..., ::-1].copy()[..., ::-1]
    before = wide.copy()
    for x in (strided, read_only, unaligned, fortran, reverse, strided.tolist()):
        assert_allclose(compiled(x), dense(net, strided), rtol=1e-12, atol=1e-15)
    out = np.empty((*compiled(strided).shape[:-1], 2 * n))[..., ::2]
    compiled(strided, out)
    assert_allclose(out, dense(net, strided), rtol=1e-12, atol=1e-15)
    assert np.array_equal(wide, before)


@each_engine
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_random_networks(engine: str, data: Any) -> None:
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=4))
    activation = data.draw(st.sampled_from(list(ACTIVATIONS)))
    points = data.draw(st.sampled_from([None, 1, 3, 130]))
    net = network(sizes, activation, seed=data.draw(st.integers(0, 99)))
    shape = (sizes[0],) if points is None else (points, sizes[0])
    x = np.random.default_rng(0).standard_normal(shape)
    by = data.draw(st.sampled_from(["input", "0.W", "0.b"]))
    loss = SquaredError(np.ones(sizes[-1])) if points is None and data.draw(st.booleans()) else None
    options = {"by": by, "loss": loss, "shape": shape, "batched": points is not None}
    usual, compiled = backprop.compile(net, **options), backprop.compile(net, **options, engine=engine)
    assert_allclose(compiled(x), usual(x), rtol=1e-11, atol=1e-13)
    assert compiled.cost == usual.cost


# --- gradients, plain code and graphs ----------------------------------------------------------------------


@each_engine
@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@pytest.mark.parametrize(("sizes", "points"), [([2, 3, 1], 5), ([2, 3, 2, 1], 300), ([64, 128, 10], 40)])
def test_gradients(engine: str, activation: str, sizes: list[int], points: int) -> None:
    net = network(sizes, activation)
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((points, sizes[0])), rng.standard_normal((points, sizes[-1]))
    compiled = backprop.compile_gradients(net, points, engine=engine)
    found, expected = compiled(x, y), net.gradients(x, y, method="jacobians")
    assert list(found) == list(expected)
    for name, gradient in expected.items():
        assert_allclose(found[name], gradient, rtol=1e-10, atol=1e-13, err_msg=name)
    again = compiled(2 * x, y, out=found)
    assert again is found
    for name, gradient in net.gradients(2 * x, y, method="jacobians").items():
        assert_allclose(found[name], gradient, rtol=1e-10, atol=1e-13, err_msg=name)
    net.update({name: value + 0.25 for name, value in net.parameters.items()})
    assert_allclose(compiled(x, y)["0.W"], net.gradients(x, y)["0.W"], rtol=1e-10, atol=1e-13)


def squares(W: Any, x: Any) -> Any:
    y = np.zeros_like(x)
    y[:2] = np.sin(x[1:]) * x[:2]
    return np.tanh(W @ y) / np.exp(x) + np.maximum(x, 0.0).sum()


@each_engine
def test_plain_code_and_graphs(engine: str) -> None:
    rng = np.random.default_rng(0)
    W, x = rng.standard_normal((3, 3)), rng.standard_normal(3)
    usual, compiled = backprop.compile(squares, W, x), backprop.compile(squares, W, x, engine=engine)
    V, z = rng.standard_normal((3, 3)), rng.standard_normal(3)
    for found, expected in zip(compiled(V, z), usual(V, z), strict=True):
        assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    assert engine in repr(compiled)
    for found, expected in zip(pickle.loads(pickle.dumps(compiled))(V, z), usual(V, z), strict=True):
        assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


# --- choosing ----------------------------------------------------------------------------------------------


def test_arrays_of_many_entries_are_not_taken_apart_into_scalars() -> None:
    pytest.importorskip("numba", reason="the extra fast is not installed")
    a, b = np.random.default_rng(0).standard_normal((2, 500))
    compiled = backprop.compile(lambda a, b: (a @ b)[None], a, b, engine="numba")
    assert compiled.form != "scalars"  # a thousand lines that read them would take LLVM half a minute
    by_a, by_b = compiled(a, b)
    assert_allclose(by_a, b[None])
    assert_allclose(by_b, a[None])


def test_code_of_many_branches_is_no_function_of_scalars() -> None:
    pytest.importorskip("numba", reason="the extra fast is not installed")
    x = np.random.default_rng(0).standard_normal(17)
    both = np.stack([x, 2 * x], axis=1)
    compiled = backprop.compile(
        lambda x: np.stack([x, 2 * x], axis=1) ** 2 * np.sign(np.stack([x, 2 * x], axis=1)), x, engine="numba"
    )
    assert compiled.form != "scalars"  # their branches would take LLVM the better part of a minute
    exact = (2 * np.abs(both) * [1.0, 2.0])[..., None] * np.eye(17)[:, None]
    assert_allclose(compiled(x), exact.reshape(compiled(x).shape))


def test_auto_takes_one_that_is_installed_and_says_so() -> None:
    net = network([2, 3, 4, 1], "tanh")
    compiled = backprop.compile(net, engine="auto")
    assert compiled.engine in engines.installed()
    assert f"the fastest of {', '.join(engines.installed())}" in repr(compiled)
    assert_allclose(compiled(np.ones(2)), dense(net, np.ones(2)), rtol=1e-12)
    gradients = backprop.compile_gradients(net, 3, engine="auto")
    assert "the fastest of numpy" in repr(gradients)
    graph = backprop.compile(np.sin, np.ones(2), engine="auto")
    assert "the fastest of numpy" in repr(graph)
    assert_allclose(graph(np.zeros(2)), np.eye(2))


def test_the_fastest_is_the_one_that_takes_the_least_time() -> None:
    clock = iter([0.0, 0.0, 5.0, 10.0, 10.0, 13.0, 20.0, 20.0, 29.0])
    patched = pytest.MonkeyPatch()
    with patched.context() as patch:
        patch.setattr(engines.time, "perf_counter", lambda: next(clock))
        assert engines.fastest(dict.fromkeys("abc", lambda: None), ()) == "b"


def test_numpy_is_the_default_and_loads_no_other_engine() -> None:
    code = (
        "import sys, backprop, numpy as np; net = backprop.MLP.initialize([2, 3, 2]);"
        "c = backprop.compile(net); c(np.ones(2)); assert c.engine == 'numpy';"
        "assert not {'numba', 'jax', 'llvmlite'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("name", list(EXTRAS))
def test_an_engine_that_is_not_installed_gets_one_sentence(name: str) -> None:
    code = (
        f"import sys; sys.modules[{name!r}] = None\n"
        "import backprop, jacobians, numpy as np\n"
        "net = backprop.MLP.initialize([2, 3, 2])\n"
        "graph = jacobians.trace(np.sin, np.ones(2))\n"
        "for call in (lambda **o: backprop.compile(net, **o), lambda **o: backprop.compile_gradients(net, 3, **o),\n"
        "             lambda **o: backprop.compile_products(net, **o), lambda **o: backprop.compile(graph, **o),\n"
        "             lambda **o: backprop.compile(np.sin, np.ones(2), **o),\n"
        "             lambda **o: backprop.compile(np.sin, np.ones((2, 2)), batched=True, **o)):\n"
        "    try:\n"
        "        call(engine=NAME)\n"
        "    except ImportError as error:\n"
        "        print(error)\n"
        "assert NAME not in backprop.compile(net, engine='auto').engine\n"
    ).replace("NAME", repr(name))
    ran = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    sentence = f"engine: found {name!r}, but {name} is not installed; pip install 'explicit-jacobians[{EXTRAS[name]}]'"
    assert ran.stdout.splitlines() == [sentence] * 6


@pytest.mark.parametrize(("found", "error"), [("numbas", ValueError), (None, TypeError), (3, TypeError)])
def test_no_engine_of_that_name(found: Any, error: type[Exception]) -> None:
    net = network([2, 1], "tanh")
    with pytest.raises(error, match="engine: found"):
        backprop.compile(net, engine=found)


def test_an_engine_is_one_file() -> None:
    folder = Path(engines.__file__).parent
    assert {f"with_{name}.py" for name in engines.engines()[1:]} == {
        path.name for path in folder.glob("with_*.py")
    }
    package, kernels = folder.parents[1], folder.parent / "kernels"
    texts = {
        path.name: path.read_text(encoding="utf-8")
        for path in package.rglob("*.py")
        if path.parent != kernels
    }
    for name in engines.engines()[1:]:
        users = [path for path, text in texts.items() if f"import {name}" in text]
        assert users == [f"with_{name}.py"]
    # what Numba compiles for its engine is that engine's alone
    assert [path for path, text in texts.items() if "compiling.kernels" in text] == ["with_numba.py"]


# --- JAX's own arrays --------------------------------------------------------------------------------------


def test_arrays_of_jax_stay_there_and_go_through_its_transformations() -> None:
    jax = pytest.importorskip("jax", reason="the extra jax is not installed")
    net = network([3, 8, 2], "tanh")
    compiled = backprop.compile(net, engine="jax")
    points = jax.numpy.asarray(np.random.default_rng(0).standard_normal((5, 3)), dtype="float32")
    expected = dense(net, np.asarray(points, dtype=np.float64))
    one = compiled(points[0])
    assert isinstance(one, jax.Array)
    assert one.devices() == points.devices()
    for found in (jax.vmap(compiled)(points), jax.jit(jax.vmap(compiled))(points)):
        assert isinstance(found, jax.Array)
        assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    slope = jax.grad(lambda x: compiled(x).sum())(points[0])
    step = 1e-5
    x = np.asarray(points[0], dtype=np.float64)
    numeric = [
        (dense(net, x + step * e).sum() - dense(net, x - step * e).sum()) / (2 * step) for e in np.eye(3)
    ]
    assert_allclose(slope, numeric, rtol=1e-4, atol=1e-5)


def test_arrays_of_jax_of_another_shape_or_with_out_are_refused() -> None:
    jax = pytest.importorskip("jax", reason="the extra jax is not installed")
    compiled = backprop.compile(network([3, 2], "tanh"), engine="jax")
    with pytest.raises(ValueError, match=r"x: found shape \(4,\), expected shape \(3,\) and no out"):
        compiled(jax.numpy.ones(4))
    with pytest.raises(ValueError, match="found out beside an array"):
        compiled(jax.numpy.ones(3), np.empty((2, 3)))


# --- the kernels of Numba ----------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "silu", "softplus", "relu", "elu"])
def test_fused_rows_are_right_to_a_few_units_in_the_last_place(activation: str) -> None:
    pytest.importorskip("numba", reason="the extra fast (numba) is not installed")
    mpmath = pytest.importorskip("mpmath")
    from backprop.compiling.kernels.pairs import FUSED

    z = np.concatenate([np.linspace(-40, 40, 401), [-300.0, 300.0, 1e-9, -1e-200, 0.1, -0.1]])
    value, slope = FUSED[activation](z[None], np.zeros(z.size))
    with mpmath.workdps(50):
        exact = {
            "tanh": mpmath.tanh,
            "sigmoid": lambda t: 1 / (1 + mpmath.exp(-t)),
            "silu": lambda t: t / (1 + mpmath.exp(-t)),
            "softplus": lambda t: mpmath.log1p(mpmath.exp(t)),
            "relu": lambda t: max(t, 0),
            "elu": lambda t: t if t > 0 else mpmath.expm1(t),
        }[activation]
        derivative = {
            "tanh": lambda t: 1 / mpmath.cosh(t) ** 2,
            "sigmoid": lambda t: 1 / (mpmath.exp(t / 2) + mpmath.exp(-t / 2)) ** 2,
            "silu": lambda t: (1 + mpmath.exp(-t) + t * mpmath.exp(-t)) / (1 + mpmath.exp(-t)) ** 2,
            "softplus": lambda t: 1 / (1 + mpmath.exp(-t)),
            "relu": lambda t: int(t > 0),
            "elu": lambda t: 1 if t > 0 else mpmath.exp(t),
        }[activation]
        values = np.array([float(exact(mpmath.mpf(t))) for t in z.tolist()])
        slopes = np.array([float(derivative(mpmath.mpf(t))) for t in z.tolist()])
    eps = np.finfo(float).eps
    assert_allclose(value[0], values, rtol=8 * eps, atol=1e-300)
    assert_allclose(slope[0], slopes, rtol=20 * eps, atol=1e-15 if activation == "silu" else 1e-300)


def test_gradients_of_arrays_of_jax_stay_there() -> None:
    jax = pytest.importorskip("jax", reason="the extra jax is not installed")
    net = network([3, 4, 2], "tanh", np.float32)
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((5, 3), np.float32), rng.standard_normal((5, 2), np.float32)
    gradients = backprop.compile_gradients(net, 5, engine="jax")
    points, targets = jax.numpy.asarray(x), jax.numpy.asarray(y)
    for found in (gradients(points, targets), gradients(points, y), jax.jit(gradients)(points, targets)):
        for name, expected in net.gradients(x, y).items():
            assert isinstance(found[name], jax.Array)
            assert_allclose(found[name], expected, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"x: found shape \(4, 3\), expected \(5, 3\)"):
        gradients(points[1:], targets)
    with pytest.raises(ValueError, match=r"y: found shape \(5,\), expected \(5, 2\); class numbers go in as"):
        gradients(points, targets[:, 0])
    with pytest.raises(ValueError, match="out: found it beside an array of another library, expected no out"):
        gradients(points, targets, gradients(x, y))
    with pytest.raises(TypeError, match=r"x: found jaxlib.*expected numpy.ndarray"):
        backprop.compile_gradients(net, 5)(points, targets)


def test_products_at_arrays_of_jax_stay_there() -> None:
    jax = pytest.importorskip("jax", reason="the extra jax is not installed")
    net = network([3, 4, 2], "tanh", np.float32)
    rng = np.random.default_rng(0)
    x, v = rng.standard_normal((5, 3), np.float32), rng.standard_normal(26, np.float32)
    u = rng.standard_normal((5, 2), np.float32)
    products = backprop.compile_products(net, batched=True, shape=x.shape, dtype=np.float32, engine="jax")
    J = net.jacobian(x, list(net.parameters), batched=True)
    points, vector, others = map(jax.numpy.asarray, (x, v, u))
    at = products.at(points)
    for found, expected in (
        (at.matvec(vector), J.matvec(v)),
        (at.matvec(v), J.matvec(v)),
        (products.at(x).matvec(vector), J.matvec(v)),
        (jax.jit(lambda p, w: products.at(p).matvec(w))(points, vector), J.matvec(v)),
        (at.rmatvec(others), J.rmatvec(u)),
        (at.rmatvec(others, summed=True), J.rmatvec(u, summed=True)),
        (at.row_norms(), J.row_norms()),
        (at.dense(), J.dense()),
    ):
        assert isinstance(found, jax.Array)
        assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match=r"x: found shape \(4, 3\), expected \(5, 3\)"):
        products.at(points[1:])
    with pytest.raises(ValueError, match=r"v: found shape \(25,\), expected \(5, 26\) or \(26,\)"):
        at.matvec(vector[1:])


@pytest.mark.parametrize("engine", ["numpy", *ENGINES])
def test_arrays_of_code_that_change_later_do_not_reach_what_is_compiled(engine: str) -> None:
    for size in (3, 40):
        factor, x = np.full((size, size), 2.0), np.linspace(0, 1, size)
        compiled = backprop.compile(
            lambda x, factor=factor: factor @ np.tanh(factor[0] * x), x, engine=engine
        )
        before = compiled(x)
        factor[:] = 7.0
        assert np.array_equal(compiled(x), before)
