"""Outer products that are written past the caches: NumPy's numbers, wherever the array that takes them lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import backprop
from jacobians.numerics.ledger import UNCOUNTED, outer_products
from jacobians.structures import BlockRow, Dense, Kronecker

pytest.importorskip("numba", reason="the extra fast is not installed")

from backprop.compiling.kernels import outer_products as kernel

WRITER = kernel.KernelLedger()


@pytest.fixture(autouse=True)
def small_ones_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "_LEAST", 0)


def numbers(*shape: int, dtype: Any = np.float64) -> Any:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "sizes", [(1, 1, 1, 1, 1), (3, 2, 1, 5, 7), (2, 3, 2, 1, 64), (2, 1, 1, 64, 3), (2, 2, 1, 9, 2500)]
)
@pytest.mark.parametrize("shift", [0, 1, 5])
def test_what_is_streamed_are_the_products_and_nothing_beside_them_changes(
    dtype: Any, sizes: tuple[int, ...], shift: int
) -> None:
    n, p, q, r, s = sizes
    left, right = numbers(n, p, r, dtype=dtype), numbers(n, q, s, dtype=dtype)
    whole = np.full((n, p * q, r * s + 11), np.nan, dtype)  # rows begin anywhere in a line of the cache
    rows = whole[..., shift : shift + r * s]
    WRITER.outer(left, right, rows.reshape(n, p, q, r, s))
    assert np.array_equal(rows.reshape(n, p, q, r, s), left[:, :, None, :, None] * right[:, None, :, None, :])
    assert np.isnan(whole[..., :shift]).all()
    assert np.isnan(whole[..., shift + r * s :]).all()


def test_one_factor_for_all_points_and_read_only_or_strided_factors() -> None:
    left, right = numbers(1, 3, 8)[:, :, ::2], numbers(5, 1, 6)
    right.flags.writeable = False
    found = np.empty((5, 3, 1, 4, 6))
    WRITER.outer(left, right, found)
    assert np.array_equal(found, left[:, :, None, :, None] * right[:, None, :, None, :])


@pytest.mark.parametrize(
    "out",
    [
        np.empty((3, 2, 1, 4, 10))[..., ::2],
        np.empty((3, 2, 1, 5, 4)).swapaxes(-1, -2),
        np.empty((1, 3, 2, 1, 4, 5)),
        np.zeros(8 * 120 + 1, np.uint8)[1:].view(np.float64).reshape(3, 2, 1, 4, 5),
        np.zeros(3, [("own", np.float64, (2, 1, 4, 5)), ("other", np.float32)])["own"],
        np.zeros((3, 2), [("other", np.int8), ("own", np.float64, (1, 4, 5))])["own"],
    ],
    ids=["every second", "turned", "two axes of points", "misaligned", "records", "packed records"],
)
def test_what_cannot_be_streamed_is_written_by_numpy(out: Any) -> None:
    left, right = numbers(3, 2, 4), numbers(3, 1, 5)
    WRITER.outer(left, right, out)
    assert np.array_equal(
        out, np.broadcast_to(left[:, :, None, :, None] * right[:, None, :, None, :], out.shape)
    )


def test_infinite_numbers_and_nan_are_multiplied_as_anywhere() -> None:
    left, right = np.array([[[np.inf, 0.0, np.nan]]]), np.array([[[0.0, -1.0]]])
    found = np.empty((1, 1, 1, 3, 2))
    WRITER.outer(left, right, found)
    assert np.array_equal(found[0, 0, 0], [[np.nan, -np.inf], [0.0, -0.0], [np.nan, np.nan]], equal_nan=True)


def test_threads_write_all_points(monkeypatch: pytest.MonkeyPatch) -> None:
    from jacobians.numerics import ledger

    monkeypatch.setattr(ledger, "_LEAST_SHARED", 0)
    monkeypatch.setattr(ledger, "_PIECE", 64)
    left, right, found = numbers(9, 2, 4), numbers(9, 1, 5), np.empty((2, 9, 2, 1, 4, 5))
    WRITER.outer(left, right, found[0])
    outer_products(left, right, found[1])
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], left[:, :, None, :, None] * right[:, None, :, None, :])


def test_compiled_dense_forms_are_streamed_block_by_block() -> None:
    net = backprop.MLP.initialize([4, 6, 5, 3], activation="tanh", seed=1)
    x = numbers(7, 4)
    at = backprop.compile_products(net, shape=x.shape, batched=True, engine="numba").at(x)
    expected = np.concatenate(
        [net.jacobian(x, name, batched=True).dense() for name in net.parameters], axis=-1
    )
    out = np.full(expected.shape, np.nan)
    assert at.dense(out) is out
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(at.dense(), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_kernels_of_all_pairs_by_either_engine(dtype: Any) -> None:
    net = backprop.MLP.initialize([4, 33, 17, 3], activation="tanh", seed=1)
    net = net.bind({name: value.astype(dtype) for name, value in net.parameters.items()})
    x, y = numbers(7, 4, dtype=dtype), numbers(5, 4, dtype=dtype)
    J, K = (
        net.jacobian(points, list(net.parameters), batched=True).dense().astype(float) for points in (x, y)
    )
    tolerance = 200 * np.finfo(dtype).eps
    for engine in ("numpy", "numba"):
        one, other = (
            backprop.compile_products(net, shape=p.shape, batched=True, dtype=dtype, engine=engine).at(p)
            for p in (x, y)
        )
        for found, second in ((one.tangent_kernel(), J), (one.tangent_kernel(other), K)):
            expected = np.einsum("pin,qjn->pqij", J, second)
            assert found.dtype == dtype
            np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_blocks_go_to_their_columns_by_either_writer() -> None:
    row = BlockRow([Kronecker(numbers(3, 2, 4), numbers(3, 1, 5)), Dense(numbers(3, 2, 2))])
    found = np.empty((2, 3, 2, 22))
    for out, ledger in zip(found, (UNCOUNTED, WRITER), strict=True):
        assert row._expand(ledger, out) is out
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], row.dense())
