"""Compiled products with Jacobians: those of the dense form, at points and over batches, on every engine."""

from __future__ import annotations

import importlib.util
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import backprop
from jacobians import Affine, Function, ReLU, Residual, Sequential, Tanh

ENGINES = ["numpy"] + [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            importlib.util.find_spec(name) is None, reason=f"the extra {extra} ({name}) is not installed"
        ),
    )
    for name, extra in (("numba", "fast"), ("jax", "jax"))
]


def networks() -> dict[str, Function]:
    rng = np.random.default_rng(0)

    def affine(m: int, n: int) -> Affine:
        return Affine(rng.standard_normal((m, n)), rng.standard_normal(m))

    return {
        "tanh": backprop.MLP.initialize([4, 6, 5, 3], activation="tanh", seed=1),
        "wide": backprop.MLP.initialize([40, 70, 3], activation="tanh", seed=1),
        "relu": Sequential(affine(5, 4), ReLU(), affine(2, 5)),
        "residual": Sequential(Residual(Sequential(affine(4, 4), Tanh())), affine(2, 4)),
        "linear": Sequential(affine(3, 4)),
    }


def dense(net: Function, x: Any, wrt: Any, batched: bool) -> Any:
    return net.jacobian(x, wrt, batched=batched).dense()


CASES = [("numpy", name, points) for name in networks() for points in (None, 1, 5)] + [
    pytest.param(engine.values[0], "wide", points, marks=engine.marks)
    for engine in ENGINES[1:]
    for points in (None, 5)
]


@pytest.mark.parametrize(("engine", "name", "points"), CASES)
def test_products_are_those_of_the_dense_form(engine: str, name: str, points: int | None) -> None:
    net = networks()[name]
    d = 40 if name == "wide" else 4
    shape = (d,) if points is None else (points, d)
    rng = np.random.default_rng(2)
    x = rng.standard_normal(shape)
    for wrt in (
        (list(net.parameters), next(iter(net.parameters)), "input")
        if engine == "numpy"
        else (list(net.parameters),)
    ):
        compiled = backprop.compile_products(net, wrt, shape=shape, batched=points is not None, engine=engine)
        at, J = compiled.at(x), dense(net, x, wrt, points is not None)
        m, n = J.shape[-2:]
        for lead in {(), J.shape[:-2]}:
            v, u = rng.standard_normal((*lead, n)), rng.standard_normal((*lead, m))
            assert_allclose(at.matvec(v), np.einsum("...ij,...j->...i", J, v), rtol=1e-11, atol=1e-12)
            pulled = np.broadcast_to(np.einsum("...ij,...i->...j", J, u), (*J.shape[:-2], n))
            assert_allclose(at.rmatvec(u), pulled, rtol=1e-11, atol=1e-12)
            total, out_of = pulled.reshape(-1, n).sum(axis=0), np.empty(n)
            assert_allclose(at.rmatvec(u, summed=True), total, rtol=1e-11, atol=1e-12)
            assert at.rmatvec(u, out=out_of, summed=True) is out_of
            assert_allclose(out_of, total, rtol=1e-11, atol=1e-12)
        assert_allclose(at.row_norms(), np.linalg.norm(J, axis=-1), rtol=1e-12)
        assert_allclose(at.dense(), J, rtol=1e-12, atol=1e-14)
        out = np.empty_like(J)
        assert at.dense(out) is out
        assert_allclose(out, J, rtol=1e-12, atol=1e-14)


def test_the_plan_counts_what_a_product_costs() -> None:
    net = Sequential(Affine(np.ones((3, 4))), Affine(np.ones((2, 3))))
    costs = backprop.compile_products(net, "0.W").costs
    # J = W2 ⊗ xᵀ: of a vector as a 3 × 4 matrix V it is W2·(V·x)
    assert costs["matvec"].multiplications == 3 * 4 + 2 * 3


@pytest.mark.parametrize("points", [None, 5])
def test_a_layer_s_factor_is_kept_and_multiplied_once_for_weight_and_bias(points: int | None) -> None:
    net = Sequential(Affine(np.ones((6, 4)), np.ones(6)), Tanh(), Affine(np.ones((3, 6)), np.ones(3)))
    shape = (4,) if points is None else (points, 4)
    compiled = backprop.compile_products(net, shape=shape, batched=points is not None)
    N = points or 1
    # S·(V·a + v) of the first layer and V·a + v of the last, whose S is an identity
    assert compiled.costs["matvec"].multiplications == N * (6 * 4 + 3 * 6 + 3 * 6)
    J = compiled.at(np.ones(shape)).jacobian
    assert J.blocks[0].A.A is J.blocks[1].A
    if points is not None:
        # δ = Sᵀu, then a product δᵀa over all points, and sums of δ and u
        assert compiled.costs["rmatvec_summed"].multiplications == N * (3 * 6 + 6 * 4 + 3 * 6)
        assert compiled.costs["rmatvec_summed"].additions == N * 2 * 6 + (N - 1) * (6 * 4 + 3 * 6 + 6 + 3)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
@pytest.mark.parametrize("engine", ENGINES)
def test_norms_whose_squares_leave_the_range(engine: str, scale: float) -> None:
    net = Sequential(Affine(np.array([[3.0, 4.0], [0.0, 0.0]]) * scale), Affine(np.eye(2)))
    found = backprop.compile_products(net, "input", engine=engine).at([1.0, 1.0]).row_norms()
    assert_allclose(found, [5 * scale, 0], rtol=1e-14)


def test_what_was_kept_belongs_to_its_point() -> None:
    net = networks()["tanh"]
    compiled = backprop.compile_products(net)
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 4))
    one, other = compiled.at(first), compiled.at(second)
    v = rng.standard_normal(compiled.spec.shape[1])
    before = one.matvec(v).copy()
    other.matvec(v)
    assert_allclose(one.matvec(v), before, rtol=0, atol=0)
    assert_allclose(pickle.loads(pickle.dumps(compiled)).at(first).matvec(v), before, rtol=1e-14)


def test_float32_stays_float32() -> None:
    net = networks()["linear"]
    single = net.bind({name: value.astype(np.float32) for name, value in net.parameters.items()})
    at = backprop.compile_products(single, dtype=np.float32).at(np.ones(4, np.float32))
    assert at.matvec(np.ones(15, np.float32)).dtype == np.float32


def test_auto_says_its_choice() -> None:
    assert "the fastest of numpy" in repr(backprop.compile_products(networks()["tanh"], engine="auto"))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda p: p.at(np.ones(3)),
            r"x: found shape \(3,\), expected \(4,\), the shape that was compiled for",
        ),
        (lambda p: p.at(np.ones(4)).matvec(np.ones(3)), r"v: found shape \(3,\), expected \("),
        (
            lambda p: p.at(np.ones(4)).rmatvec(np.ones(2), summed=True),
            r"u: found shape \(2,\), expected \(3,\)",
        ),
        (lambda p: p.at(np.ones(4)).rmatvec(np.ones((2, 3))), r"u: found shape \(2, 3\), expected \(3,\)"),
        (
            lambda p: p.at(np.ones(4)).row_norms(np.ones(3, dtype=bool)),
            r"out: found shape \(3,\) and dtype bool, expected \(3,\) and float64; make it by np.empty",
        ),
        (
            lambda p: p.at(np.ones(4)).row_norms(np.ones(7)),
            r"out: found shape \(7,\) and dtype float64, expected \(3,\) and float64; make it by np.empty",
        ),
        (
            lambda p: p.at(np.ones(4)).row_norms(np.broadcast_to(np.ones(1), (3,))),
            r"out: found a read-only array, expected a writeable one; copy it by np.array\(out\)",
        ),
        (lambda p: backprop.compile_products(p._network, "9.W"), "wrt: found '9.W'"),
        (lambda p: backprop.compile_products(p._network, []), "wrt: found no name"),
        (
            lambda p: backprop.compile_products(Tanh(), shape=(2,)),
            "wrt: found None for .* without parameters",
        ),
    ],
)
def test_what_is_refused(call: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call(backprop.compile_products(networks()["tanh"]))


def test_kernels_are_of_points_and_of_products_at_them() -> None:
    at = backprop.compile_products(networks()["tanh"]).at(np.ones(4))
    with pytest.raises(
        ValueError, match=r"^J: found batch_shape \(\), expected \(N,\): points along one axis"
    ):
        at.tangent_kernel()
    with pytest.raises(TypeError, match=r"^other: found 3, expected products at points, as compiled\.at"):
        at.tangent_kernel(3)  # type: ignore[arg-type]


def test_no_function_is_refused() -> None:
    with pytest.raises(TypeError, match="network: found 3, expected a Function"):
        backprop.compile_products(3)  # type: ignore[arg-type]
