"""Plain code at many points, on each engine; results in one array; and calls that look at their arrays once."""

from __future__ import annotations

import importlib.util
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special
from structured_graphs import path_sums

import backprop
from backprop import MLP
from backprop.compiling import engines
from jacobians import trace

ENGINES = ["numpy"] + [
    pytest.param(
        name,
        marks=pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed"),
    )
    for name in ("numba", "jax")
]
each_engine = pytest.mark.parametrize("engine", ENGINES)
HARD = [np.nan, np.inf, -np.inf, 1000.0, -1000.0, 0.0, -0.0, 1e-300, 710.0, -745.0, 0.5]


def smooth(v: Any) -> Any:
    a, b, c = v
    return np.stack([np.sin(a * b) + c / b, np.arctan2(a, c) * np.sqrt(b), np.exp(a) * b, 2.0 * c])


def smooth_jacobian(v: Any) -> Any:
    """Return the derivatives of `smooth`, by hand."""
    a, b, c = v
    square = a * a + c * c
    return np.array(
        [
            [b * np.cos(a * b), a * np.cos(a * b) - c / b**2, 1 / b],
            [c / square * np.sqrt(b), np.arctan2(a, c) / (2 * np.sqrt(b)), -a / square * np.sqrt(b)],
            [np.exp(a) * b, np.exp(a), 0],
            [0, 0, 2],
        ]
    )


@each_engine
@pytest.mark.parametrize("count", [1, 7, 129, 1100])
def test_each_point_of_a_batch_has_its_own_jacobian(engine: str, count: int) -> None:
    x = np.random.default_rng(0).uniform(0.2, 2, (count, 3))
    compiled = backprop.compile(smooth, x[:1], batched=True, engine=engine, strategy="reverse")
    found = compiled(x)
    assert found.shape == (count, 4, 3)
    assert_allclose(found, [smooth_jacobian(v) for v in x], rtol=1e-12, atol=1e-14)
    assert "at points" in repr(compiled)
    assert_array_equal(pickle.loads(pickle.dumps(compiled))(x), found)


def several(W: Any, x: Any, t: Any) -> Any:
    y = np.tanh(W @ x) * t
    return y, np.sum(y * y)


@each_engine
@pytest.mark.parametrize("form", ["auto", "arrays"])
def test_several_arguments_and_outputs(engine: str, form: Any) -> None:
    rng = np.random.default_rng(1)
    points = rng.standard_normal((9, 2, 3)), rng.standard_normal((9, 3)), rng.standard_normal(9)
    compiled = backprop.compile(several, *points, batched=True, engine=engine, form=form)
    found = compiled(points[0], points[1], t=points[2])
    assert [[part.shape for part in row] for row in found] == [
        [(9, 2, 6), (9, 2, 3), (9, 2, 1)],
        [(9, 1, 6), (9, 1, 3), (9, 1, 1)],
    ]
    at_a_point = backprop.compile(several, *(array[0] for array in points), engine=engine)
    for place, at in enumerate(zip(*points, strict=True)):
        W, x, t = at
        u = np.tanh(W @ x)
        by_x = (t * (1 - u**2))[:, None] * W
        assert_allclose(found[0][1][place], by_x, rtol=1e-11)
        assert_allclose(found[0][2][place], u[:, None], rtol=1e-11)
        assert_allclose(found[1][1][place], 2 * (t * u)[None] @ by_x, rtol=1e-10)
        alone = at_a_point(*at)
        for row, whole in zip(alone, found, strict=True):
            for one, many in zip(row, whole, strict=True):
                assert_allclose(many[place], one, rtol=1e-11, atol=1e-14)


def hard(v: Any) -> Any:
    a, b = v
    return np.stack(
        [
            np.tanh(a) * b,
            np.maximum(a, b),
            np.where(a > b, a * a, -b),
            np.abs(a) + np.exp(-np.abs(b)),
            special.ndtr(a),
        ]
    )


@each_engine
def test_numbers_at_the_ends_of_floats_at_points(engine: str) -> None:
    x = np.array([(a, b) for a in HARD for b in HARD])
    compiled = backprop.compile(hard, x, batched=True, engine=engine, strategy="reverse")
    usual = backprop.compile(hard, x[-1], form="arrays", strategy="reverse")
    assert_allclose(compiled(x), [usual(v) for v in x], rtol=1e-11, atol=1e-290)


OPERATIONS = [
    lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / (1.5 + b * b), lambda a, b: np.sin(a),
    lambda a, b: np.tanh(a) * b, lambda a, b: np.sqrt(1 + b * b), lambda a, b: np.maximum(a, b),
    lambda a, b: np.exp(-a * a),
    lambda a, b: np.arctan(a), lambda a, b: np.log1p(b * b), lambda a, b: np.where(a > b, a, 2 * b),
]  # fmt: skip


@each_engine
@settings(max_examples=3, deadline=None)
@given(data=st.data())
def test_random_graphs_at_points(engine: str, data: Any) -> None:
    steps = data.draw(
        st.lists(
            st.tuples(st.sampled_from(range(len(OPERATIONS))), st.integers(0, 99), st.integers(0, 99)),
            min_size=1,
            max_size=8,
        )
    )

    def program(v: Any) -> Any:
        known = list(v)
        for operation, a, b in steps:
            known.append(OPERATIONS[operation](known[a % len(known)], known[b % len(known)]))
        return np.stack([known[-1], known[-2] * known[0]])

    x = np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal((5, 3))
    found = backprop.compile(program, x, batched=True, engine=engine, strategy="reverse")(x)
    for place, v in enumerate(x):
        graph = trace(program, v)
        truth = path_sums(graph)[graph.outputs[0], graph.inputs[0]]
        assert_allclose(found[place], truth, rtol=1e-10, atol=1e-12)


@each_engine
def test_layouts_lists_and_no_points(engine: str) -> None:
    wide = np.random.default_rng(0).uniform(0.2, 2, (6, 6))
    x = wide[:, ::2]
    compiled = backprop.compile(smooth, x, batched=True, engine=engine)
    expected = np.array([smooth_jacobian(v) for v in x])
    read_only = x.copy()
    read_only.flags.writeable = False
    for given_ in (x, np.asfortranarray(x), read_only, x[::-1][::-1], x.tolist()):
        assert_allclose(compiled(given_), expected, rtol=1e-12)
    assert compiled(np.empty((0, 3))).shape == (0, 4, 3)
    assert compiled(x).flags.writeable


@each_engine
def test_single_precision_at_points_stays_single(engine: str) -> None:
    x = np.random.default_rng(0).uniform(0.2, 2, (5, 2))
    compiled = backprop.compile(
        lambda v: np.stack([np.sin(v[0] * v[1]), v[0] / v[1]]), x, batched=True, engine=engine
    )
    single = compiled(x.astype(np.float32))
    assert single.dtype == np.float32
    assert_allclose(single, compiled(x), rtol=1e-5, atol=1e-6)


@each_engine
def test_shapes_that_do_not_fit_are_told(engine: str) -> None:
    compiled = backprop.compile(
        lambda a, b: a * b, np.ones((2, 3)), np.ones((2, 3)), batched=True, engine=engine
    )
    with pytest.raises(
        ValueError, match=r"^a: found shape \(4,\), expected \(points, 3\), the shape that was"
    ):
        compiled(np.ones(4), np.ones((4, 3)))
    with pytest.raises(
        ValueError, match=r"^points: found 4 in a, 5 in b, expected the same number of points in"
    ):
        compiled(np.ones((4, 3)), np.ones((5, 3)))


def test_what_has_no_points_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^argument 1: found shape \(\), expected a first axis of points, of which"
    ):
        backprop.compile(np.sin, np.array(1.0), batched=True)
    with pytest.raises(ValueError, match=r"^argument 1: found shape \(0, 3\) with an empty axis"):
        backprop.compile(np.sin, np.empty((0, 3)), batched=True)
    with pytest.raises(TypeError, match="batched: found 'yes', expected True or False"):
        backprop.compile(np.sin, np.ones((2, 3)), batched="yes")


@each_engine
def test_a_traced_graph_and_its_plan_take_points(engine: str) -> None:
    x = np.random.default_rng(2).uniform(0.2, 2, (5, 3))
    graph = trace(smooth, x[0])
    for given_ in (graph, graph.plan("reverse")):
        compiled = backprop.compile(given_, batched=True, engine=engine)
        assert_allclose(compiled(x), [smooth_jacobian(v) for v in x], rtol=1e-12, atol=1e-14)


def test_points_run_by_loops_of_vectors_and_calls_by_loops_of_their_own() -> None:
    pytest.importorskip("numba", reason="the extra fast (numba) is not installed")
    compiled = backprop.compile(smooth, np.ones((2, 3)), batched=True, engine="numba")
    loops = compiled.source.split("for i in range(count):")
    calls = ("sin(", "cos(", "atan2(", "exp(")
    for loop in loops:
        # a line of arithmetic beside a call would keep the loop from vectors
        lines = [
            line.strip() for line in loop.split("\n") if line.strip().startswith("s") and "[" not in line
        ]
        alone = [any(f"= {call}" in line for call in calls) for line in lines]
        assert all(alone) or not any(alone), loop


# --- into ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", [*ENGINES, "auto"])
@pytest.mark.parametrize("batched", [False, True])
def test_into_writes_what_x_holds_then(engine: str, batched: bool) -> None:
    net = MLP.initialize([3, 4, 2], activation="tanh", loss="squared-error", seed=0)
    shape = (5, 3) if batched else (3,)
    compiled = backprop.compile(net, shape=shape, batched=batched, engine=engine)
    x, out = np.zeros(shape), np.empty((*shape[:-1], 2, 3))
    write = compiled.into(x, out)
    for _ in range(3):
        x += 0.5
        write()
        assert_allclose(out, net.jacobian(x, batched=batched).dense(), rtol=1e-12)


@each_engine
def test_into_looks_at_its_arrays(engine: str) -> None:
    net = MLP.initialize([3, 4, 2], activation="tanh", loss="squared-error", seed=0)
    compiled = backprop.compile(net, engine=engine)
    x, out = np.zeros(3), np.empty((2, 3))
    read_only = out.copy()
    read_only.flags.writeable = False
    for a, b, sentence in (
        (
            x.tolist(),
            out,
            r"^x: found list, expected an array of shape \(3,\) and dtype float64, which is read",
        ),
        (x[:2], out, r"^x: found shape \(2,\) and dtype float64, expected"),
        (x.astype(np.float32), out, r"^x: found shape \(3,\) and dtype float32, expected"),
        (x, read_only, "^out: found a read-only array"),
        (x, out[:1], r"^out: found shape \(1, 3\)"),
        (
            x,
            np.empty((3, 2)).T,
            "^out: found an array that is not C-contiguous, expected one; make it by np.empty",
        ),
    ):
        with pytest.raises(ValueError, match=sentence):
            compiled.into(a, b)


def test_compiled_code_that_is_handed_another_kind_of_array_refuses_it() -> None:
    pytest.importorskip("numba", reason="the extra fast (numba) is not installed")
    net = MLP.initialize([2, 3, 1], activation="tanh", loss="squared-error", seed=0)
    entry = backprop.compile(net, engine="numba")._entry
    out = np.empty((1, 2))
    for x in (np.ones(2, np.float32), [1.0, 1.0], None):
        with pytest.raises(TypeError):
            entry(x, out)


# --- JAX's transformations -------------------------------------------------------------------------------


def test_code_and_products_stay_on_the_device_and_go_through_jit_and_vmap() -> None:
    jax = pytest.importorskip("jax", reason="the extra jax is not installed")
    x = np.random.default_rng(0).uniform(0.2, 2, (5, 3))
    compiled = backprop.compile(smooth, x[0], engine="jax")
    with jax.enable_x64(True):
        points = jax.numpy.asarray(x)
        expected = [smooth_jacobian(v) for v in x]
        one = compiled(points[0])
        assert isinstance(one, jax.Array)
        assert one.devices() == points.devices()
        for call in (jax.vmap(compiled), jax.jit(jax.vmap(compiled))):
            found = call(points)
            assert isinstance(found, jax.Array)
            assert_allclose(found, expected, rtol=1e-12)
        many = backprop.compile(smooth, x, batched=True, engine="jax")(points)
        assert isinstance(many, jax.Array)
        assert_allclose(many, expected, rtol=1e-12)
    assert engines.engine_module("jax").own(one)
