"""Jacobians of plain code written into arrays that are given: the same numbers, at each engine, and never half of x."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import backprop
from jacobians import trace

ENGINES = ["numpy", "auto"] + [
    pytest.param(
        name,
        marks=pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed"),
    )
    for name in ("numba", "jax")
]
each_engine = pytest.mark.parametrize("engine", ENGINES)


def wave(x: Any) -> Any:
    return np.sin(x) * x[::-1]


def wave_jacobian(x: Any) -> Any:
    """Return the derivatives of `wave`, by hand."""
    n = len(x)
    return np.diag(np.cos(x) * x[::-1]) + np.sin(x)[:, None] * np.eye(n)[::-1]


def bilinear(W: Any, x: Any) -> Any:
    y = W @ x
    return y, np.sum(y * y)


def bilinear_jacobians(W: Any, x: Any) -> Any:
    """Return the derivatives of `bilinear`, by hand."""
    by_W = np.kron(np.eye(len(W)), x)
    return (by_W, W), (2 * (W @ x)[None] @ by_W, 2 * (W @ x)[None] @ W)


@each_engine
@pytest.mark.parametrize("form", ["auto", "arrays"])
@pytest.mark.parametrize("points", [None, 1, 5, 300])
def test_one_result_goes_into_an_array(engine: str, form: Any, points: int | None) -> None:
    lead = () if points is None else (points,)
    x = np.random.default_rng(0).standard_normal((*lead, 4))
    compiled = backprop.compile(wave, x, batched=points is not None, engine=engine, form=form)
    exact = wave_jacobian(x) if points is None else np.array([wave_jacobian(v) for v in x])
    wide = np.full((*lead, 4, 8), np.nan)
    turned = np.full((*lead, 4, 4), np.nan).swapaxes(-1, -2)
    for out in (np.full((*lead, 4, 4), np.nan), wide[..., ::2], turned):
        assert compiled(x, out=out) is out
        assert_allclose(out, exact, rtol=1e-12, atol=1e-14)
        assert compiled(x.tolist(), out=out) is out
    assert np.isnan(wide[..., 1::2]).all()


@each_engine
@pytest.mark.parametrize("batched", [False, True])
def test_several_results_go_into_tuples_of_arrays(engine: str, batched: bool) -> None:
    rng = np.random.default_rng(1)
    lead = (7,) if batched else ()
    W, x = rng.standard_normal((*lead, 2, 3)), rng.standard_normal((*lead, 3))
    compiled = backprop.compile(bilinear, W, x, batched=batched, engine=engine)
    out = tuple(tuple(np.full((*lead, m, n), np.nan) for n in (6, 3)) for m in (2, 1))
    assert compiled(W, x, out=out) is out
    listed = [[np.full_like(part, np.nan) for part in row] for row in out]
    assert compiled(W, x=x, out=listed) is listed
    write = compiled.into(W, x, out)
    for _ in range(2):
        for place in range(7) if batched else [...]:
            for found, named, row in zip(out, listed, bilinear_jacobians(W[place], x[place]), strict=True):
                for part, other, exact in zip(found, named, row, strict=True):
                    assert_allclose(part[place], exact, rtol=1e-12)
                    assert_allclose(other[place], exact, rtol=1e-12)
        W *= 2.0
        x -= 1.0
        write()
        compiled(W, x, out=listed)


@each_engine
@pytest.mark.parametrize("batched", [False, True])
def test_a_result_on_top_of_the_argument_is_right(engine: str, batched: bool) -> None:
    lead, count = ((40,), 640) if batched else ((), 16)
    numbers = np.random.default_rng(2).standard_normal(count)
    for start in (0, count - 4 * max(1, count // 16), 3):
        memory = numbers.copy()
        x = memory[start : start + (160 if batched else 4)].reshape(*lead, 4)
        if x.size != (160 if batched else 4):
            continue
        exact = np.array([wave_jacobian(v) for v in x]) if batched else wave_jacobian(x)
        compiled = backprop.compile(wave, x, batched=batched, engine=engine)
        out = memory.reshape(*lead, 4, 4)
        assert_allclose(compiled(x, out=out), exact, rtol=1e-12, atol=1e-14)
    with pytest.raises(
        ValueError, match=r"^out: found memory of an argument, expected an array of its own; make"
    ):
        compiled.into(x, out)


@each_engine
def test_networks_at_points_do_not_write_on_what_they_read(engine: str) -> None:
    net = backprop.MLP.initialize([2, 3, 1], activation="tanh", loss="squared-error", seed=0)
    memory = np.random.default_rng(3).standard_normal(1200)
    for start in (0, 1, 500):
        numbers = memory.copy()
        x = numbers[start : start + 600].reshape(300, 2)
        exact = net.jacobian(x, batched=True).dense()
        compiled = backprop.compile(net, shape=(300, 2), batched=True, engine=engine)
        out = numbers[:600].reshape(300, 1, 2)
        assert_allclose(compiled(x, out), exact, rtol=1e-12)
    with pytest.raises(ValueError, match=r"^out: found memory of an argument"):
        compiled.into(x, out)


@each_engine
def test_what_cannot_take_the_answer_is_told(engine: str) -> None:
    x = np.ones(3)
    compiled = backprop.compile(wave, x, engine=engine)
    read_only = np.empty((3, 3))
    read_only.flags.writeable = False
    for out, error, sentence in (
        ([1.0], TypeError, r"^out: found list, expected an array of shape \(3, 3\)"),
        (
            np.empty((3, 2)),
            ValueError,
            r"^out: found shape \(3, 2\) and dtype float64, expected \(3, 3\) and float64",
        ),
        (np.empty((3, 3), np.float32), ValueError, r"^out: found shape \(3, 3\) and dtype float32, expected"),
        (read_only, ValueError, "^out: found a read-only array, expected a writeable one"),
    ):
        with pytest.raises(error, match=sentence):
            compiled(x, out=out)
        with pytest.raises(error, match=sentence):
            compiled.into(x, out)
    with pytest.raises(
        ValueError, match=r"^out: found an array that is not C-contiguous, expected one; make it by"
    ):
        compiled.into(x, np.empty((3, 3)).T)
    with pytest.raises(
        ValueError, match=r"^x: found list, expected an array of shape \(3,\) and dtype float64, which"
    ):
        compiled.into([1.0, 2.0, 3.0], np.empty((3, 3)))
    with pytest.raises(TypeError, match=r"^into: found 1 arrays, expected x, out"):
        compiled.into(x)
    pair = backprop.compile(bilinear, np.eye(3), x, engine=engine)
    with pytest.raises(
        TypeError, match=r"^out: found ndarray, expected a tuple of 2, as a call without out returns"
    ):
        pair(np.eye(3), x, out=np.empty((3, 3)))
    with pytest.raises(TypeError, match=r"^out\[1\]: found 1 parts, expected a tuple of 2"):
        pair(np.eye(3), x, out=((np.empty((3, 9)), np.empty((3, 3))), (np.empty((1, 9)),)))
    with pytest.raises(ValueError, match=r"^out\[0\]\[1\]: found shape \(3, 1\)"):
        pair(np.eye(3), x, out=((np.empty((3, 9)), np.empty((3, 1))), (np.empty((1, 9)), np.empty((1, 3)))))
    same = np.empty((3, 3))
    several = backprop.compile(lambda u, v: u * v, x, x, engine=engine)
    with pytest.raises(ValueError, match=r"^out\[1\]: found memory"):
        several.into(x, x.copy(), (same, same))


def test_an_argument_of_the_code_called_out_has_another_name() -> None:
    compiled = backprop.compile(lambda x, out: x * out, np.ones(2), out=np.full(2, 3.0))
    assert compiled.arguments == ("x", "out_")
    by_x, by_out = compiled(np.array([1.0, 2.0]), out_=np.array([3.0, 4.0]))
    assert by_x.tolist() == [[3.0, 0.0], [0.0, 4.0]]
    assert by_out.tolist() == [[1.0, 0.0], [0.0, 2.0]]


@each_engine
def test_other_precision_and_traced_graphs_go_into_arrays(engine: str) -> None:
    x = np.array([0.5, -1.0])
    compiled = backprop.compile(trace(wave, x), engine=engine)
    single = np.empty((2, 2), np.float32)
    assert compiled(x.astype(np.float32), out=single) is single
    assert_allclose(single, wave_jacobian(x), rtol=1e-5)


def test_arrays_of_jax_have_no_out() -> None:
    jax = pytest.importorskip("jax", reason="the extra jax is not installed")
    compiled = backprop.compile(wave, np.ones(3), engine="jax")
    with (
        jax.enable_x64(True),
        pytest.raises(ValueError, match=r"^out: found it beside an array of another library"),
    ):
        compiled(jax.numpy.ones(3), out=np.empty((3, 3)))
