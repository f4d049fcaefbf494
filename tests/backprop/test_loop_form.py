"""Functions of loops do what NumPy does with the same code: views, parts, sums, stacks, constants of other kinds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("numba", reason="the extra fast is not installed")

from backprop.compiling.engines import Work, with_numba
from backprop.compiling.nodes import fixed_nodes
from backprop.compiling.printing import needed
from backprop.compiling.recording import Recording

INTEGERS, MASK = np.arange(5, dtype=np.int8), np.array([True, False, True, True, False])

# functions of x (4, 5), y (5, 5) and v (5,), each with something that a careless printer gets wrong
CODE: dict[str, Callable[[Any, Any, Any], Any]] = {
    "a transpose inside of what would be one loop": lambda x, y, v: (y * 2.0) * (y * 2.0).T,
    "a part inside of what would be one loop": lambda x, y, v: (y * 2.0)[0] + (v * 3.0),
    "constants of integers": lambda x, y, v: x * INTEGERS,
    "constants of truth values": lambda x, y, v: np.where(MASK, x, 2.0),
    "a column against a row": lambda x, y, v: (x @ v)[:, None] * v[None, :],
    "sums along each axis": lambda x, y, v: np.concatenate([np.sum(x, axis=0), np.sum(x, axis=1)]),
    "a sum with its axis kept": lambda x, y, v: x - np.sum(x, axis=1, keepdims=True),
    "a sum of three axes": lambda x, y, v: np.sum(x[:, :, None] * v, axis=1),
    "vectors behind each other": lambda x, y, v: np.concatenate([v, x[1], y[2] * v]),
    "rows of a part": lambda x, y, v: x[1:3] @ y,
    "a matrix by a transposed one": lambda x, y, v: x @ y.T,
    "a transposed matrix by one": lambda x, y, v: x.T @ x,
    "two transposed matrices": lambda x, y, v: (y @ x.T).T @ (v * y).T,
    "a matrix by a vector, and turned": lambda x, y, v: np.concatenate([x @ v, y.T @ v, v @ y, v @ y.T]),
    "a stack of vectors": lambda x, y, v: (x.reshape(2, 2, 5) @ (x[:2, :, None] * 2.0))[..., 0],
    "a stack of rows": lambda x, y, v: x[:, None, :] @ (x[:, :, None] * v),
    "a stack of turned matrices": lambda x, y, v: (x.reshape(2, 2, 5) * v).mT @ x.reshape(2, 2, 5),
    "one matrix for a whole stack": lambda x, y, v: x.reshape(2, 2, 5) @ (y * v)[None],
    "many results of one loop": lambda x, y, v: (x + 1.0) * (x - 1.0) * (x * v) - (x / 3.0),
    "a result that is a transpose": lambda x, y, v: (x * v).T,
    "a result that is repeated": lambda x, y, v: np.broadcast_to(v * 2.0, (3, 5)),
    "a result that is an argument's part": lambda x, y, v: x[2],
    "comparisons": lambda x, y, v: np.where((x > 0.0) & (x < 1.0), np.maximum(x, 0.5), -x),
}


@pytest.mark.parametrize("name", list(CODE))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_loops_do_what_numpy_does(name: str, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(shape).astype(dtype) for shape in ((4, 5), (5, 5), (5,))]
    found = looped(CODE[name], arrays)
    with np.errstate(all="ignore"):
        expected = CODE[name](*arrays)
    assert found.shape == expected.shape
    assert_allclose(found, expected, rtol=50 * np.finfo(dtype).eps, atol=50 * np.finfo(dtype).eps)


def test_an_activation_without_a_bias_keeps_the_sign_of_zero() -> None:
    zeros = np.array([0.0, -0.0, 1.0])
    found = looped(lambda x: np.tanh(x) + 0.0 * x, [zeros])
    assert np.array_equal(np.signbit(found), np.signbit(np.tanh(zeros)))


def looped(code: Callable[..., Any], arrays: list[Any]) -> Any:
    """Return what the function of loops of some code gives for arrays."""
    recording = Recording(share=True)
    names = [f"x{n}" for n in range(len(arrays))]
    taken: list[Any] = [
        recording.input(name, array.shape, array.dtype) for name, array in zip(names, arrays, strict=True)
    ]
    ends = [recording.lift(code(*taken)).node]
    nodes = needed(recording.nodes, ends, everything_counted=False)
    read = [node.function for node in nodes if node.kind == "input"]
    call: Any = with_numba._made_of_loops(Work(nodes, read, ends, fixed_nodes(nodes)))
    assert call is not None
    assert call.form == "loops"
    return call(*[array for name, array in zip(names, arrays, strict=True) if name in read])[0]
