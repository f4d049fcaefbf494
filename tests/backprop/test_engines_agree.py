"""Every engine gives the numbers of the structured Jacobian: random networks and code, layouts, threads, hard ones."""

from __future__ import annotations

import importlib.util
import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from structured_graphs import path_sums

import backprop
from backprop import MLP
from backprop.learning.targets import LOSSES
from jacobians import (
    ELU,
    Affine,
    Elementwise,
    Function,
    LayerNorm,
    LeakyReLU,
    LogSoftmax,
    Normalize,
    Residual,
    Sequential,
    Softmax,
    trace,
)
from jacobians.layers.activations import ACTIVATIONS

ENGINES = ["numpy"] + [
    pytest.param(
        name,
        marks=pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed"),
    )
    for name in ("numba", "jax")
]
each_engine = pytest.mark.parametrize("engine", ENGINES)
HARD = [np.nan, np.inf, -np.inf, 1e3, -1e3, 0.0, -0.0, 5e-324, -1e-310, 1e-40, 1e300, -1e30]


def agree(found: Any, exact: Any, dtype: Any, label: str = "") -> None:
    """Compare by what rounding does to sums of terms as large as the largest answer."""
    assert found.dtype == dtype
    finite = np.abs(exact[np.isfinite(exact)]).astype(float)
    tolerance = 1e-9 if dtype == np.float64 else 3e-4
    largest = max(finite.max(initial=0.0), 1.0)
    exact = exact.astype(float)
    assert_allclose(found.astype(float), exact, rtol=tolerance, atol=tolerance * largest, err_msg=label)


@st.composite
def networks(draw: Any, dtype: Any) -> tuple[Sequential, int]:
    """Draw a network of a few layers and the number of its inputs."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = first = draw(st.integers(1, 5))
    layers: list[Function] = []
    activations = st.sampled_from([*ACTIVATIONS.values(), lambda: LeakyReLU(0.3), lambda: ELU(0.5)])

    def affine(m: int, n: int) -> Affine:
        bias = rng.standard_normal(m).astype(dtype) if draw(st.booleans()) else None
        return Affine(rng.standard_normal((m, n)).astype(dtype), bias)

    for kind in draw(
        st.lists(st.sampled_from(["dense", "dense", "residual", "norm", "softmax"]), min_size=1, max_size=3)
    ):
        match kind:
            case "dense":
                m = draw(st.integers(1, 5))
                layers += [affine(m, n), draw(activations)()]
                n = m
            case "residual":
                layers.append(Residual(Sequential(affine(n, n), draw(activations)())))
            case "norm":
                layers.append(
                    draw(st.sampled_from([LayerNorm, Normalize]))() if n > 1 else draw(activations)()
                )
            case "softmax":
                layers.append(draw(st.sampled_from([Softmax, LogSoftmax]))())
    return Sequential(*layers), first


LAYOUTS = ["C", "Fortran", "every second", "backwards", "read-only", "misaligned", "byte-swapped", "list"]


def laid_out(array: Any, layout: str) -> Any:
    """Return the same numbers otherwise in memory."""
    match layout:
        case "C":
            return array.copy()
        case "Fortran":
            return np.asfortranarray(array)
        case "every second":
            spread = np.full([2 * size for size in array.shape], np.nan, array.dtype)
            some = tuple([slice(None, None, 2)] * array.ndim)
            spread[some] = array
            return spread[some]
        case "backwards":
            turned = tuple([slice(None, None, -1)] * array.ndim)
            return array[turned].copy()[turned]
        case "read-only":
            found = array.copy()
            found.flags.writeable = False
            return found
        case "misaligned":
            found = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
            found[...] = array
            return found
        case "byte-swapped":
            return array.astype(array.dtype.newbyteorder())
        case "list":
            return array.tolist()
    raise AssertionError(layout)


# --- networks --------------------------------------------------------------------------------------------


@each_engine
@settings(max_examples=4, deadline=None)
@given(data=st.data())
def test_jacobians_of_random_networks(engine: str, data: Any) -> None:
    dtype = np.dtype(data.draw(st.sampled_from([np.float64, np.float64, np.float32])))
    net, n = data.draw(networks(dtype))
    points = data.draw(st.sampled_from([None, 1, 3, 130]))
    shape = (n,) if points is None else (points, n)
    by = data.draw(st.sampled_from(["input", *net.parameters]))
    compiled = backprop.compile(net, by, shape=shape, batched=points is not None, dtype=dtype, engine=engine)
    x = np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal(shape).astype(dtype)
    hard = x.copy()
    with np.errstate(over="ignore"):
        hard.flat[data.draw(st.integers(0, x.size - 1))] = data.draw(st.sampled_from(HARD))
    kept = []
    for at in (x, hard):
        try:
            exact = net.jacobian(at, by, batched=points is not None).dense()
        except ValueError as error:  # at a number that a layer has no derivative at
            if "infinite derivative" not in str(error):
                raise
            reject()
        layout = data.draw(st.sampled_from(LAYOUTS if dtype == np.float64 else LAYOUTS[:-1]))
        kept.append((compiled(laid_out(at, layout)), exact))
        out = np.empty_like(exact)
        assert compiled(at, out) is out
        agree(out, exact, dtype, "out")
    for found, exact in kept:  # the second call has changed nothing of the first
        agree(found, exact, dtype, repr(compiled))


@each_engine
@settings(max_examples=2, deadline=None)
@given(data=st.data())
def test_products_of_random_networks(engine: str, data: Any) -> None:
    net, n = data.draw(networks(np.dtype(float)))
    points = data.draw(st.sampled_from([None, 4]))
    shape = (n,) if points is None else (points, n)
    wrt = data.draw(st.sampled_from([("input",), tuple(net.parameters) or ("input",), "input"]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    products = backprop.compile_products(net, wrt, shape=shape, batched=points is not None, engine=engine)
    x = rng.standard_normal(shape)
    J = net.jacobian(x, wrt, batched=points is not None).dense()
    at = products.at(laid_out(x, data.draw(st.sampled_from(LAYOUTS))))
    v, u = rng.standard_normal((*shape[:-1], J.shape[-1])), rng.standard_normal(J.shape[:-1])
    agree(at.dense(), J, J.dtype)
    layout = data.draw(st.sampled_from(LAYOUTS))
    first = at.matvec(laid_out(v, layout))
    agree(at.matvec(v[..., :] * 2), np.einsum("...mn,...n->...m", J, v) * 2, J.dtype)
    agree(first, np.einsum("...mn,...n->...m", J, v), J.dtype)
    agree(at.rmatvec(laid_out(u, layout)), np.einsum("...mn,...m->...n", J, u), J.dtype)
    agree(at.row_norms(), np.sqrt((J**2).sum(-1)), J.dtype)
    if points:
        agree(at.matvec(v[0]), J @ v[0], J.dtype)
        agree(at.rmatvec(u[0]), np.einsum("kmn,m->kn", J, u[0]), J.dtype)
    again = pickle.loads(pickle.dumps(products)).at(x)
    agree(again.matvec(v), first, J.dtype)


@each_engine
@pytest.mark.parametrize("loss", list(LOSSES))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gradients_of_every_loss_and_layout(engine: str, loss: str, dtype: Any) -> None:
    rng = np.random.default_rng(sum(map(ord, loss)))
    sizes = [3, 4, 2]
    layers = [
        (rng.standard_normal((m, n)).astype(dtype), rng.standard_normal(m).astype(dtype))
        for n, m in pairwise(sizes)
    ]
    output = {"cross-entropy": "softmax", "binary-cross-entropy": "sigmoid"}.get(loss)
    net = MLP(layers, activation="tanh", loss=loss, output_activation=output)
    x, y = rng.standard_normal((6, 3)).astype(dtype), rng.uniform(0.1, 0.9, (6, 2)).astype(dtype)
    y /= y.sum(axis=1, keepdims=True)
    compiled = backprop.compile_gradients(net, 6, engine=engine)
    exact = net.gradients(x, y, method="jacobians")
    found = [compiled(laid_out(x, layout), laid_out(y, layout)) for layout in LAYOUTS[:-1]]
    for gradients in found:
        for name, gradient in exact.items():
            agree(gradients[name], gradient, np.dtype(dtype), name)


@each_engine
def test_calls_of_several_threads_at_once(engine: str) -> None:
    net = MLP.initialize([6, 40, 30, 3], activation="tanh", loss="squared-error", seed=0)
    rng = np.random.default_rng(0)
    xs = rng.standard_normal((24, 50, 6))
    y = rng.standard_normal((50, 3))
    compiled = backprop.compile(net, shape=(50, 6), batched=True, engine=engine)
    gradients = backprop.compile_gradients(net, 50, engine=engine)
    graph = backprop.compile(lambda v: np.tanh(v) * np.sin(v[::-1]), xs[0], batched=True, engine=engine)
    with ThreadPoolExecutor(8) as pool:
        dense = list(pool.map(compiled, xs))
        sums = list(pool.map(lambda x: gradients(x, y), xs))
        code = list(pool.map(graph, xs))
    for x, jacobian, terms, matrix in zip(xs, dense, sums, code, strict=True):
        agree(jacobian, net.jacobian(x, batched=True).dense(), x.dtype)
        agree(terms["0.W"], net.gradients(x, y, method="jacobians")["0.W"], x.dtype)
        by_hand = np.eye(6) * (np.sin(x[:, ::-1]) / np.cosh(x) ** 2)[:, :, None]
        by_hand = by_hand + np.eye(6)[::-1] * (np.tanh(x) * np.cos(x[:, ::-1]))[:, :, None]
        agree(matrix, by_hand, x.dtype)


# --- plain code ------------------------------------------------------------------------------------------


def writing(a: Any) -> Any:
    y = np.zeros_like(a)
    y[0] = a[1] ** 2
    y[1:, ::2] = a[:2, 1::2]
    np.add.at(y, ([0, 0], [1, 1]), a[2, :2])
    turned = y.T
    turned[1] = turned[0] * 2.0
    y.ravel()[3:5] = a[0, 0]
    return y * a


CODE = {
    "hypot.reduce": lambda a: np.hypot.reduce(a, axis=0),
    "maximum.reduce": lambda a: np.maximum.reduce(a, axis=1),
    "maximum.outer": lambda a: np.maximum.outer(a[0], a[1]),
    "fmax": lambda a: -np.fmax(a[0], a[1]),
    "copysign": lambda a: np.copysign(a[0], a[1] - 0.5),
    "remainder": lambda a: np.remainder(a[0] * 3, a[1]),
    "cumprod": lambda a: np.cumprod(a, axis=1),
    "cumsum": lambda a: np.cumsum(a**2),
    "sort": lambda a: np.sort(a, axis=1) * np.arange(4.0),
    "take": lambda a: np.take(a, [0, 2, 2], axis=1) ** 2,
    "picked": lambda a: a[[0, 2], [1, 3]] * a[1, ::-1][:2],
    "windows": lambda a: np.lib.stride_tricks.sliding_window_view(a, (2, 2), axis=(-1, 0)) ** 2,
    "padded": lambda a: np.pad(a, 1, mode="reflect") ** 2,
    "columns first": lambda a: a.reshape(4, 3, order="F") ** 2,
    "repeated": lambda a: np.repeat(a, 2, axis=0) * np.roll(np.tile(a, (2, 1)), 1, axis=1),
    "einsum": lambda a: np.einsum("ij,kj->ik", a, np.exp(a)),
    "solve": lambda a: np.linalg.solve(a @ a.T + 2 * np.eye(3), a),
    "norm": lambda a: np.linalg.norm(a, axis=1),
    "logaddexp": lambda a: np.logaddexp(a[0], a[1]) - np.log1p(a[2]),
    "variance": lambda a: np.std(a, axis=0, ddof=1),
    "where": lambda a: np.where(a > 0.5, a * a, np.sin(a)),
    "writing": writing,
}


@each_engine
@pytest.mark.parametrize("name", list(CODE))
def test_code_of_many_functions(engine: str, name: str) -> None:
    code = CODE[name]
    x = np.random.default_rng(5).uniform(0.2, 0.8, (2, 3, 4))
    exact = []
    for at in x:
        graph = trace(code, at)
        exact.append(path_sums(graph)[graph.outputs[0], graph.inputs[0]])
    for dtype in (np.float64, np.float32):
        points = x.astype(dtype)
        compiled = backprop.compile(code, points[0], strategy="reverse", engine=engine)
        agree(compiled(points[0]), exact[0], np.dtype(dtype), name)
        agree(compiled(points[1]), exact[1], np.dtype(dtype), name)
        if dtype is np.float64:
            many = backprop.compile(code, points, strategy="reverse", engine=engine, batched=True)
            agree(many(points), np.array(exact), np.dtype(dtype), name)


@each_engine
@pytest.mark.parametrize("batched", [False, True])
def test_layouts_of_arguments_of_code(engine: str, batched: bool) -> None:
    rng = np.random.default_rng(0)
    lead = (5,) if batched else ()
    W, x = rng.standard_normal((*lead, 2, 3)), rng.standard_normal((*lead, 3))
    compiled = backprop.compile(lambda W, x: np.tanh(W @ x), W, x, batched=batched, engine=engine)
    slope = 1 / np.cosh(np.einsum("...ij,...j->...i", W, x)) ** 2
    exact = slope[..., None] * W
    for layout in LAYOUTS:
        by_W, by_x = compiled(laid_out(W, layout), laid_out(x, layout))
        agree(by_x, exact, W.dtype, layout)
        kept = by_x.copy()
        compiled(W * 2, x)
        assert_array_equal(by_x, kept)
        assert by_W.flags.writeable
        assert not np.shares_memory(by_W, by_x)


TRUTHS = {
    "sum": lambda u: (u > 0) + (u > -1),
    "product": lambda u: (u > -1) * (u < 0.5),
    "larger": lambda u: np.maximum(u > 0, u > -1),
    "smaller": lambda u: np.minimum(u < 1, u > -1),
    "and of numbers": lambda u: np.logical_and(u, u + 1),
    "or of numbers": lambda u: np.logical_or(u, u + 1),
    "not of a sum": lambda u: np.logical_not((u > 0) + (u > -1)),
}


@each_engine
@pytest.mark.parametrize("name", list(TRUTHS))
@pytest.mark.parametrize("size", [3, 60])
def test_truth_values_are_one_or_zero_in_every_form(engine: str, name: str, size: int) -> None:
    rng = np.random.default_rng(3)
    W, x = rng.standard_normal((size, size)), rng.standard_normal(size)
    mask = TRUTHS[name]
    x[0] = 0.0
    exact = (mask(x) * 2 * (W @ x))[:, None] * W
    for form in ("auto", "arrays"):
        compiled = backprop.compile(lambda x: mask(x) * np.square(W @ x), x, engine=engine, form=form)
        agree(compiled(x), exact, x.dtype, name)
        if engine == "numba" and form == "auto":
            assert compiled.form == ("scalars" if size == 3 else "loops")


def beyond(z: Any) -> Any:
    return np.where(z > 0.1, z * 3, z * 1e30 * 1e-30)


def slope_beyond(z: Any) -> Any:
    return np.where(z > 0.1, 3.0, np.square(z) * 1e-20)


@each_engine
def test_numbers_of_code_in_single_precision_are_single(engine: str) -> None:
    n = 40
    one, W = np.eye(n, dtype=np.float32), np.ones((n, n), np.float32)
    net = Sequential(Affine(one), Elementwise("beyond", beyond, slope_beyond), Affine(W))
    compiled = backprop.compile(net, dtype=np.float32, engine=engine)
    if engine == "numba":
        assert compiled.form == "loops"
    x = np.full(n, 0.1, np.float32)  # larger than 0.1, and no float32 lies between
    assert_array_equal(compiled(x), W * np.float32(np.square(x[0]) * np.float32(1e-20)))
    assert not np.isfinite(compiled(np.full(n, -1e22, np.float32))).any()  # its square is none


@each_engine
def test_infinite_and_no_numbers_among_the_code_are_loops_too(engine: str) -> None:
    rng = np.random.default_rng(3)
    W, x = rng.standard_normal((60, 60)), rng.standard_normal(60)
    for number in (np.inf, -np.inf, np.nan):
        code = lambda x, number=number: np.square(W @ x) * np.where(W @ x < number, 2.0, 1.0)  # noqa: E731
        exact = (np.where(W @ x < number, 2.0, 1.0) * 2 * (W @ x))[:, None] * W
        compiled = backprop.compile(code, x, engine=engine)
        agree(compiled(x), exact, x.dtype, str(number))


@each_engine
def test_long_sums_of_single_precision_keep_their_digits(engine: str) -> None:
    net = Sequential(Affine(np.full((2, 300_000), 0.1, np.float32), np.zeros(2, np.float32)))
    at = backprop.compile_products(net, "input", shape=(300_000,), dtype=np.float32, engine=engine).at(
        np.ones(300_000, np.float32)
    )
    exact = math.sqrt(300_000) * float(np.float32(0.1))
    assert_allclose(at.row_norms(), [exact, exact], rtol=1e-5)


@each_engine
@pytest.mark.parametrize("size", [3, 60])
def test_arrays_of_code_may_change_behind_its_compilation(engine: str, size: int) -> None:
    rng = np.random.default_rng(3)
    V, W = rng.standard_normal((2, size, size))
    x = rng.standard_normal(size)
    exact = V @ (2 * (W @ x)[:, None] * W)
    made = [
        backprop.compile(lambda x: V @ np.square(W @ x), x, engine=engine, form=form)
        for form in ("auto", "arrays")
    ]
    V *= 0
    W *= 2
    for compiled in made:
        agree(compiled(x), exact, x.dtype, compiled.form)


def test_negative_comparisons_are_numbers_at_points() -> None:
    x = np.array([[1.0, 2.0], [3.0, -1.0]])
    compiled = backprop.compile(lambda v: -np.maximum(v[0], v[1])[None], x, batched=True, strategy="reverse")
    assert compiled(x).tolist() == [[[0.0, -1.0]], [[-1.0, 0.0]]]


# --- JAX -------------------------------------------------------------------------------------------------


def code_of_scalars(v: Any) -> Any:
    return np.stack([np.sin(v[0]) * v[1], np.exp(-v[1]) + v[0] ** 2])


def by_hand(v: Any) -> Any:
    return np.array([[np.cos(v[0]) * v[1], np.sin(v[0])], [2 * v[0], -np.exp(-v[1])]])


@pytest.mark.parametrize("wide", [False, True])
def test_jax_computes_in_the_precision_that_it_is_given(wide: bool) -> None:
    jax = pytest.importorskip("jax", reason="the extra jax is not installed")
    x = np.array([0.3, -0.7])
    one = backprop.compile(code_of_scalars, x, engine="jax")
    many = backprop.compile(code_of_scalars, x[None], engine="jax", batched=True)
    net = MLP.initialize([2, 3, 2], activation="tanh", loss="squared-error", seed=0)
    layers = backprop.compile(net, engine="jax")
    before = jax.config.jax_enable_x64
    with jax.enable_x64(wide):
        for _ in range(2):  # NumPy's arrays keep their precision, JAX's theirs, in any order
            agree(one(x), by_hand(x), np.dtype(np.float64))
            agree(many(x[None])[0], by_hand(x), np.dtype(np.float64))
            agree(layers(x), net.jacobian(x).dense(), np.dtype(np.float64))
            for call in (one, lambda v: many(v[None])[0]):
                for dtype in (np.float32, np.float64):
                    given_ = jax.numpy.asarray(x.astype(dtype))
                    assert call(given_).dtype == given_.dtype
            agree(
                np.asarray(one(jax.numpy.asarray(x))),
                by_hand(x),
                np.dtype(np.float64 if wide else np.float32),
            )
        assert jax.config.jax_enable_x64 == wide
    assert jax.config.jax_enable_x64 == before


@pytest.mark.parametrize("batched", [False, True])
def test_transformations_of_jax_go_through_code_of_scalars(batched: bool) -> None:
    jax = pytest.importorskip("jax", reason="the extra jax is not installed")
    points = np.random.default_rng(0).standard_normal((2, 3, 2))
    shape = points[0] if batched else points[0, 0]
    compiled = backprop.compile(code_of_scalars, shape, engine="jax", batched=batched)
    exact = np.array([[by_hand(v) for v in some] for some in points])
    with jax.enable_x64(True):
        call = compiled if batched else jax.vmap(compiled)
        for found in (
            jax.vmap(call)(points),
            jax.jit(jax.vmap(call))(points),
            jax.jit(lambda p: call(p[1]))(points)[None],
        ):
            assert isinstance(found, jax.Array)
            agree(np.asarray(found)[-1:], exact[-1:], np.dtype(float))
        x = jax.numpy.asarray(points[0] if batched else points[0, 0])
        slope = jax.grad(lambda v: compiled(v).sum())(x)
        assert slope.devices() == x.devices()
        a, b = np.asarray(x)[..., 0], np.asarray(x)[..., 1]
        second = np.stack([-np.sin(a) * b + np.cos(a) + 2, np.cos(a) + np.exp(-b)], axis=-1)
        assert_allclose(slope, second, rtol=1e-12)
        forward = jax.jacfwd(lambda v: compiled(v))(x)
        assert forward.shape == (*compiled(x).shape, *x.shape)


def test_a_compiled_function_is_first_called_inside_a_transformation() -> None:
    jax = pytest.importorskip("jax", reason="the extra jax is not installed")
    W = np.random.default_rng(0).standard_normal((9, 9))  # a constant that is an argument of what is compiled
    compiled = backprop.compile(lambda v: np.tanh(W @ v), np.ones(9), engine="jax")
    x = np.linspace(-1.0, 1.0, 9)
    exact = W / np.cosh(W @ x)[:, None] ** 2
    with jax.enable_x64(True):
        assert_allclose(jax.jit(compiled)(x), exact, rtol=1e-11)
        assert_allclose(jax.vmap(compiled)(jax.numpy.asarray(x[None]))[0], exact, rtol=1e-11)
    agree(compiled(x), exact, x.dtype)
