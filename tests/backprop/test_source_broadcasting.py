"""Operations entry by entry without unit axes and with repeated rows: shapes and values stay those of NumPy."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose, assert_array_equal

import backprop
from backprop.compiling.networks import Trace, array_form
from backprop.compiling.nodes import fixed_nodes
from backprop.compiling.printing import needed
from backprop.compiling.recording import Recording


@st.composite
def operands(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[Any, ...]]:
    """Return the shape of an array and the index that adds axes of length 1 to it."""
    shape = draw(st.lists(st.sampled_from([1, 3, 4]), min_size=1, max_size=3))
    key: list[Any] = [slice(None)] * len(shape)
    for place in draw(st.lists(st.integers(0, len(shape)), max_size=2)):
        key.insert(place, None)
    return tuple(shape), tuple(key)


def values(shape: tuple[int, ...], seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


@settings(max_examples=400, deadline=None)
@given(operands(), operands(), st.sampled_from([np.add, np.multiply, np.subtract, np.maximum]))
def test_unit_axes_change_neither_shapes_nor_values(first: Any, second: Any, operation: Any) -> None:
    arrays = [values(shape, seed) for seed, (shape, _) in enumerate((first, second))]
    views = [array[key] for array, (_, key) in zip(arrays, (first, second), strict=True)]
    try:
        expected = operation(*views)
    except ValueError:
        return  # shapes that don't broadcast
    recording = Recording(share=True)
    a: Any = recording.input("x", first[0])
    b = recording.constant(arrays[1], "b")
    result = operation(a[first[1]], b[second[1]])
    assert result.shape == expected.shape
    result = result * 1.5 + result  # what is built on a reshape
    nodes = needed(recording.nodes, [result.node], everything_counted=False)
    trace = Trace(nodes, result.node, fixed_nodes(nodes), None)  # type: ignore[arg-type]  # no plan is read
    source, constants, *_ = array_form(trace, "An operation.")
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    assert_allclose(namespace["make"](**constants)(arrays[0]), expected * 2.5, rtol=1e-12, err_msg=source)


def test_views_that_only_add_axes_are_left_out() -> None:
    recording = Recording(share=True)
    x: Any = recording.input("x", (5, 4))
    row: Any = recording.input("y", (4,))
    assert np.multiply(x[:, None, :], row[None, None, :]).node.function is np.reshape
    assert [node.kind for node in recording.nodes if node.kind == "item"] == ["item", "item"]
    product = recording.nodes[-2]
    assert (product.function, product.args) == (np.multiply, (x.node, row.node))


@pytest.mark.parametrize("points", [6, 65])
@pytest.mark.parametrize("by", ["input", "0.W"])
def test_narrow_rows_are_repeated_once(points: int, by: str) -> None:
    net = backprop.MLP.initialize([2, 3, 4, 1], loss="squared-error", seed=0)
    net.update({"0.b": [0.5, -1.0, 2.0], "2.b": [1.0, 0.0, -1.0, 0.25]})
    jacobian = backprop.compile(net, by, batched=True, shape=(points, 2), form="arrays")
    assert f"np.broadcast_to(b_0, ({points}, 3))" in jacobian.source
    X = values((points, 2), 7)
    found = jacobian(X)
    assert_array_equal(found, jacobian(X))
    for point, x in zip(found, X, strict=True):
        assert_allclose(point, net.jacobian(x, wrt=by).dense(), rtol=1e-12, atol=1e-15)


def test_wide_rows_are_broadcast_as_they_are() -> None:
    net = backprop.MLP.initialize([30, 40, 20], seed=0)
    assert "broadcast_to" not in backprop.compile(net, batched=True, shape=(8, 30)).source
