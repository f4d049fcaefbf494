"""Products by vector loops: the numbers of a longer precision, whatever the sizes, layouts, kinds and threads are."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

pytest.importorskip("numba", reason="the extra fast is not installed")

from backprop.compiling.kernels import products
from backprop.compiling.kernels.products import product

LAYOUTS = ("C", "F", "every second", "backwards", "read-only", "misaligned")


def laid_out(array: Any, layout: str) -> Any:
    """Return the same numbers in memory of another layout."""
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "every second":
        spread = np.full([2 * size for size in array.shape], np.nan, array.dtype)
        spread[tuple([slice(None, None, 2)] * array.ndim)] = array
        return spread[tuple([slice(None, None, 2)] * array.ndim)]
    if layout == "backwards":
        turned = tuple([slice(None, None, -1)] * array.ndim)
        return array[turned].copy()[turned]
    if layout == "misaligned":
        found = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
        found[...] = array
        return found
    found = array.copy()
    found.flags.writeable = layout != "read-only"
    return found


def check(a: Any, b: Any, out: Any = None) -> None:
    """Compare with the product in longer precision, by the bound of an inner product of any order."""
    found = product(a, b, out)
    exact = np.dot(a.astype(np.longdouble), b.astype(np.longdouble))
    bound = np.dot(np.abs(a).astype(np.longdouble), np.abs(b).astype(np.longdouble))
    inner = a.shape[-1]
    assert found.shape == exact.shape
    assert found.dtype == a.dtype
    assert np.all(np.abs(found - exact) <= (inner + 1) * np.finfo(a.dtype).eps * bound)
    assert out is None or found is out


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.tuples(*[st.integers(0, 70)] * 3),
    layouts=st.tuples(*[st.sampled_from(LAYOUTS)] * 2),
    dtype=st.sampled_from([np.float64, np.float32]),
    kind=st.sampled_from(["matrices", "vector behind", "vector before"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_products_of_all_sizes_and_layouts(
    sizes: tuple[int, int, int], layouts: tuple[str, str], dtype: Any, kind: str, seed: int
) -> None:
    m, k, n = sizes
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((k,) if kind == "vector before" else (m, k)).astype(dtype)
    b = rng.standard_normal((k,) if kind == "vector behind" else (k, n)).astype(dtype)
    check(laid_out(a, layouts[0]), laid_out(b, layouts[1]))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "sizes",
    [
        (products._HIGH + 1, products._DEEP + 1, products._WIDE + 1),  # more than one block along each axis
        (2 * products._HIGH, 2 * products._DEEP, 17),
        (3, products._DEEP + 30, 2 * products._WIDE + 16),
        (products._FEW + 1, 600, 64),
        (1, 1, 1),
    ],
)
def test_products_beyond_a_block(sizes: tuple[int, int, int], dtype: Any) -> None:
    m, k, n = sizes
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
    out = np.full((m, n), np.nan, dtype)
    check(a, b, out)
    check(laid_out(a, "F"), laid_out(b, "F"))


def test_rows_are_the_same_numbers_alone_and_among_others() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((61, 700)), rng.standard_normal((700, 40))
    whole = product(a, b)
    for rows in (slice(0, 1), slice(5, 16), slice(30, 61)):
        assert np.array_equal(product(a[rows], b), whole[rows])


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_stays_in_its_row_and_column(special: float) -> None:
    for m, k, n in itertools.product((1, 11), (1, 5), (1, 16, 19)):
        a, b = np.ones((m, k)), np.ones((k, n))
        a[m - 1, k - 1] = special
        found = product(a, b)
        assert np.array_equal(found[:-1], np.full((m - 1, n), float(k)))
        assert np.array_equal(found[-1], np.full(n, special), equal_nan=True)
        b[k - 1, n - 1] = 0.0
        assert np.isnan(product(a, b)[-1, -1])


def test_large_products_by_threads_are_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((33, 20)), rng.standard_normal((20, 25))
    alone = product(a, b)
    monkeypatch.setattr(products, "WORTH_TWO", 1)
    monkeypatch.setattr(products, "blas_threads", lambda: 4)
    assert np.array_equal(product(a, b), alone)
    check(a, b, np.empty((33, 25)))


@pytest.mark.parametrize("layout", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_million_terms_keep_their_digits(layout: str, dtype: Any) -> None:
    k = 10**6
    a, x = np.full((2, k), 0.1, dtype, order=layout), np.ones(k, dtype)  # type: ignore[call-overload]
    a[1] *= -1
    exact = k * float(a[0, 0])  # of one sign, so that roundings of a running sum don't cancel
    assert_allclose(product(a, x), [exact, -exact], rtol=4000 * np.finfo(dtype).eps)
    assert_allclose(product(x, a.T), [exact, -exact], rtol=4000 * np.finfo(dtype).eps)


@pytest.mark.parametrize("k", [products._RUN - 1, products._RUN, products._RUN + 1, 2 * products._RUN + 3])
@pytest.mark.parametrize("layout", ["C", "F", "every second"])
def test_vectors_of_several_runs(k: int, layout: str) -> None:
    rng = np.random.default_rng(k)
    a, x = rng.standard_normal((3, k)), rng.standard_normal(k)
    check(laid_out(a, layout), x)
    check(x, laid_out(a.T, layout))
