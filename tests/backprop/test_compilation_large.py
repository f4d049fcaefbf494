"""Compiled Jacobians of wide and deep networks: dead units, and batches in blocks, shared out among threads.

The witness is a plain product of dense matrices in this file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import tracemalloc
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import backprop
from backprop import MLP
from backprop.compiling.shapes import result_like
from jacobians import MemoryBudgetError, SquaredError
from jacobians.numerics import blas_threads, threads


def network(sizes: list[int], activation: str, *, bias: float = 0.1, seed: int = 0) -> MLP:
    rng = np.random.default_rng(seed)
    weights = [
        (rng.standard_normal((h, n)) / np.sqrt(n), bias * rng.standard_normal(h)) for n, h in pairwise(sizes)
    ]
    return MLP(weights, activation=activation, loss="squared-error")


def dense_jacobian(net: MLP, x: Any) -> Any:
    """Return the product of dense matrices at one point."""
    values = list(net.parameters.values())
    J = np.eye(len(x))
    for place, (W, b) in enumerate(zip(values[::2], values[1::2], strict=True)):
        if place:
            slope = (x > 0) * 1.0 if repr(net.activation) == "ReLU()" else 1 / np.cosh(x) ** 2
            J = slope[:, None] * J
            x = np.maximum(x, 0) if repr(net.activation) == "ReLU()" else np.tanh(x)
        J, x = W @ J, W @ x + b
    return J


@pytest.fixture
def two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads, however many BLAS has."""
    monkeypatch.setattr(threads, "blas_threads", lambda: 2)
    monkeypatch.setattr(blas_threads, "_libraries", lambda: ())


# --- dead units ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [[70, 64, 80, 5], [30, 130, 64, 100, 64, 30], [64, 200, 1]])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_dead_units_leave_and_nothing_changes(sizes: list[int], seed: int) -> None:
    net = network(sizes, "relu", seed=seed)
    compiled = backprop.compile(net)
    assert "flatnonzero" in compiled.source
    for x in np.random.default_rng(seed).standard_normal((3, sizes[0])):
        assert_allclose(compiled(x), dense_jacobian(net, x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("bias", [-100.0, 100.0], ids=["all dead", "all live"])
def test_all_units_dead_or_live(bias: float) -> None:
    net = network([10, 64, 64, 3], "relu")
    net = net.replace({name: np.full(64, bias) for name in ("0.b", "2.b")})
    x = np.linspace(-1, 1, 10)
    expected = dense_jacobian(net, x)
    assert expected.any() == (bias > 0)
    assert_allclose(backprop.compile(net)(x), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("weight", [None, 0.0], ids=["any weights", "weights of zero"])
def test_not_a_number_is_handed_on_where_units_are_dropped(weight: float | None) -> None:
    net = network([64, 64, 64, 64, 2], "relu")
    if weight is not None:
        net = net.replace({name: np.full_like(net.parameters[name], weight) for name in ("2.W", "4.W")})
    x = np.ones(64)
    x[3] = np.nan
    assert np.isnan(backprop.compile(net)(x)).all()


def test_slopes_of_live_units_are_multiplied_once() -> None:
    compiled = backprop.compile(network([64, 64, 64, 64, 2], "relu"))
    steps = compiled.source.count("np.flatnonzero(")
    scaled = [line for line in compiled.source.splitlines() if " * " in line and "multiplications" in line]
    assert (steps, len(scaled)) == (3, 1)


def test_units_stay_where_weights_are_not_finite() -> None:
    net = network([64, 64, 2], "relu")
    W = np.array(net.parameters["2.W"])
    W[1, 5] = np.inf
    net = net.replace({"2.W": W})
    compiled = backprop.compile(net)
    assert "flatnonzero" not in compiled.source
    x = np.random.default_rng(0).standard_normal(64)
    with np.errstate(invalid="ignore"):
        assert_array_equal(np.isfinite(compiled(x)), np.isfinite(dense_jacobian(net, x)))


def test_narrow_layers_and_other_activations_are_left_alone() -> None:
    assert "flatnonzero" not in backprop.compile(network([64, 63, 64], "relu")).source
    assert "flatnonzero" not in backprop.compile(network([64, 64, 64], "tanh")).source


# --- pieces shared out among threads -----------------------------------------------------------------------


@pytest.mark.usefixtures("two_threads")
def test_every_piece_is_worked_on_once_by_more_than_one_thread() -> None:
    done: list[int] = []
    both = threading.Barrier(2, timeout=20)

    def work(piece: slice) -> None:
        done.append(piece.start)
        if piece.start < 2:
            both.wait()  # the first two pieces are at work at the same time, or this breaks

    threads.spread(work, [slice(k, k + 1) for k in range(9)])
    assert sorted(done) == list(range(9))


@pytest.mark.usefixtures("two_threads")
def test_an_exception_of_any_thread_is_raised() -> None:
    for failing in (0, 1):

        def work(piece: slice, failing: int = failing) -> None:
            if piece.start == failing:
                raise FloatingPointError(f"piece {failing}")

        with pytest.raises(FloatingPointError, match=f"piece {failing}"):
            threads.spread(work, [slice(0, 1), slice(1, 2)])
    threads.spread(work, [slice(5, 6), slice(6, 7)])  # and the next call works


@pytest.mark.usefixtures("two_threads")
def test_a_call_inside_a_call_takes_no_more_threads() -> None:
    seen = set()

    def inner(piece: slice) -> None:
        seen.add((piece.start, threading.current_thread().name))

    threads.spread(
        lambda piece: threads.spread(inner, [slice(0, 1), slice(1, 2)]), [slice(0, 1), slice(1, 2)]
    )
    assert len({name for _, name in seen}) <= 2


def test_blas_has_one_thread_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    count = [3]
    library = blas_threads._Library(lambda: count[0], lambda new: count.__setitem__(0, new))
    monkeypatch.setattr(blas_threads, "_libraries", lambda: (library,))
    seen: set[int] = set()
    threads.spread(lambda _: seen.add(count[0]), [slice(0, 1), slice(1, 2), slice(2, 3)])
    assert (seen, count) == ({1}, [3])


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads can't be bound here")
def test_threads_share_the_cores_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "blas_threads", lambda: 2)
    monkeypatch.setattr(blas_threads, "_libraries", lambda: ())
    allowed = os.sched_getaffinity(0)
    both = threading.Barrier(2, timeout=20)
    seen: dict[str, set[int]] = {}

    def work(piece: slice) -> None:
        both.wait()
        seen[threading.current_thread().name] = os.sched_getaffinity(0)
        if piece.start:
            raise ZeroDivisionError("the cores are given back all the same")

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            threads.spread(work, [slice(0, 1), slice(1, 2)])
        assert os.sched_getaffinity(0) == allowed
    own, others = seen.pop(threading.current_thread().name), seen.popitem()[1]
    if len(allowed) > 1:
        assert own | others == allowed
        assert not own & others
    else:
        assert own == others == allowed


def test_threads_work_in_a_forked_process() -> None:
    code = (
        "import os, numpy as np; from jacobians.numerics import blas_threads, threads\n"
        "threads.blas_threads = lambda: 2\n"
        "blas_threads._libraries = lambda: ()\n"
        "pieces = [slice(0, 1), slice(1, 2)]\n"
        "threads.spread(lambda piece: None, pieces)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    done = []\n"
        "    threads.spread(lambda piece: done.append(piece.start), pieces)\n"
        "    os._exit(0 if sorted(done) == [0, 1] else 1)\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


# --- batches in blocks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize(
    ("sizes", "points"), [([64, 128, 64, 10], 131), ([300, 20, 300], 3), ([256, 256, 256, 256], 3)]
)
@pytest.mark.usefixtures("two_threads")
def test_batches_in_blocks(sizes: list[int], points: int, activation: str) -> None:
    net = network(sizes, activation)
    X = np.random.default_rng(5).standard_normal((points, sizes[0]))
    compiled = backprop.compile(net, batched=True, shape=X.shape)
    assert compiled.block < points
    expected = np.array([dense_jacobian(net, x) for x in X])
    found = compiled(X)
    assert_allclose(found, expected, rtol=1e-11, atol=1e-13)
    into = np.empty(expected.shape[::-1]).T  # not contiguous
    assert compiled(X, out=into) is into
    assert_allclose(into, expected, rtol=1e-11, atol=1e-13)
    given = np.full_like(found, np.nan)
    assert compiled(X, out=given) is given
    assert_array_equal(given, found)


def test_a_small_batch_is_one_block() -> None:
    assert backprop.compile(network([2, 3, 4, 1], "tanh"), batched=True, shape=(64, 2)).block == 64


def test_a_block_of_a_stated_size() -> None:
    net = network([5, 4, 3], "tanh")
    X = np.random.default_rng(1).standard_normal((7, 5))
    compiled = backprop.compile(net, batched=True, shape=X.shape, block=3)
    assert compiled.block == 3
    assert "(3, 4)" in compiled.source
    whole = backprop.compile(net, batched=True, shape=X.shape)
    assert whole.block == 7
    assert compiled.cost == whole.cost
    assert_allclose(compiled(X), [dense_jacobian(net, x) for x in X], rtol=1e-12)
    in_float32 = compiled(X.astype(np.float32))
    assert_allclose(in_float32, [dense_jacobian(net, x) for x in X], rtol=1e-4)


def test_an_answer_larger_than_the_budget_is_refused_unless_an_array_is_given() -> None:
    compiled = backprop.compile(network([200, 3, 200], "tanh"), batched=True, shape=(10_000, 200))
    sentence = "the Jacobians of 10,000 points .* would take 2.98 GiB .* pass an array out="
    with pytest.raises(MemoryBudgetError, match=sentence):
        compiled(np.zeros((10_000, 200)))


def test_points_and_answers_may_lie_on_disk(tmp_path: Any) -> None:
    net = network([200, 3, 200], "tanh")
    X = np.lib.format.open_memmap(tmp_path / "X.npy", mode="w+", dtype=np.float64, shape=(150, 200))
    X[...] = np.random.default_rng(0).standard_normal(X.shape)
    out = np.lib.format.open_memmap(tmp_path / "J.npy", mode="w+", dtype=np.float64, shape=(150, 200, 200))
    compiled = backprop.compile(net, batched=True, shape=X.shape)
    tracemalloc.start()
    assert compiled(X, out=out) is out
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < out.nbytes / 10  # nothing of the size of the answer beside it
    for point in (0, 149):
        assert_allclose(out[point], dense_jacobian(net, X[point]), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"batched": True, "shape": (4, 2), "block": 0}, "block: found 0"),
        ({"block": 3}, "block: found 3, expected None for one point and for a loss"),
    ],
)
def test_wrong_blocks_are_refused(options: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        backprop.compile(network([2, 3, 1], "tanh"), **options)


def peak_bytes(compiled: Any, x: Any) -> int:
    compiled(x)
    tracemalloc.start()
    compiled(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_memory_does_not_grow_with_depth(activation: str) -> None:
    x = np.linspace(-1, 1, 128)
    peaks = [peak_bytes(backprop.compile(network([128] * (depth + 1), activation)), x) for depth in (4, 32)]
    matrix = 128 * 128 * 8
    assert peaks[1] < peaks[0] + 2 * matrix  # vectors alone: 28 layers of matrices would be 28 of these
    assert peaks[0] < 5 * matrix


@pytest.mark.parametrize(
    ("made", "copies"),
    [
        (lambda net: backprop.compile(net), 1),
        (lambda net: backprop.compile(net, batched=True, shape=(16, net.sizes[0])), 1),
        (lambda net: backprop.compile(net, batched=True, shape=(16, net.sizes[0]), block=3), 1),
        (lambda net: backprop.compile_products(net), 1),
        (lambda net: backprop.compile_products(net, batched=True, shape=(16, net.sizes[0])), 1),
        (lambda net: backprop.compile_products(net, wrt=["0.W", "2.W"]), 1),
        (lambda net: backprop.compile_gradients(net, points=4), 0),
    ],
)
def test_what_is_compiled_holds_one_copy_of_the_weights(made: Any, copies: int) -> None:
    net = backprop.MLP.initialize([400, 400, 400, 10], activation="tanh", loss="squared-error", seed=0)
    made(backprop.MLP.initialize([4, 4, 4, 10], activation="tanh", loss="squared-error", seed=0))
    weights = sum(value.nbytes for value in net.parameters.values())
    tracemalloc.start()
    compiled = made(net)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert compiled is not None
    assert copies * weights <= kept < (copies + 0.25) * weights
    assert peak < (copies + 0.6) * weights


@pytest.mark.parametrize("order", ["columns first", "a part of a wider array"])
def test_blocks_go_into_arrays_of_any_layout(order: str) -> None:
    net, points = network([8, 16, 8], "tanh"), 4000
    compiled = backprop.compile(net, batched=True, shape=(points, 8), block=7)
    X = np.random.default_rng(0).standard_normal((points, 8))
    out = (
        np.empty((points, 8, 8), order="F")
        if order == "columns first"
        else np.empty((points, 8, 16))[:, :, :8]
    )
    expected = compiled(X)
    tracemalloc.start()
    assert compiled(X, out) is out
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < out.nbytes / 4
    assert_array_equal(out, expected)


def test_an_array_that_is_read_only_is_refused() -> None:
    out = np.empty((3, 2))
    out.flags.writeable = False
    with pytest.raises(ValueError, match=r"^out: found a read-only array, expected a writeable one"):
        backprop.compile(network([2, 3], "tanh"))(np.ones(2), out)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"dtype": "nope"}, "^dtype: found 'nope', expected float64 or float32"),
        ({"loss": SquaredError}, "^loss: found the class SquaredError, expected a Function such as"),
    ],
)
def test_wrong_options_are_named(options: Any, sentence: str) -> None:
    with pytest.raises(TypeError, match=sentence):
        backprop.compile(network([2, 3, 1], "tanh"), **options)


@pytest.mark.parametrize(
    "dtypes", [(np.float64, np.float64), (np.float32, np.float64), (np.int64, np.float32)]
)
@pytest.mark.parametrize(
    ("join", "shapes", "axis"),
    [
        (np.concatenate, [(2, 3), (4, 3)], 0),
        (np.concatenate, [(2, 3), (2, 5), (2, 1)], 1),
        (np.concatenate, [(2, 3, 4), (2, 1, 4)], -2),
        (np.concatenate, [(3,), (4,)], -1),
        (np.concatenate, [(2, 3), (2, 3)], None),
        (np.stack, [(2, 3), (2, 3)], 0),
        (np.stack, [(2, 3), (2, 3), (2, 3)], -1),
        (np.stack, [(2, 3), (2, 3)], 1),
        (np.stack, [(), ()], 0),
        (np.stack, [(2, 3), (2, 3)], -3),
    ],
)
def test_the_shape_of_joined_arrays_is_known_without_joining(
    join: Any, shapes: Any, axis: Any, dtypes: Any
) -> None:
    parts = [np.zeros(shape, dtype) for shape, dtype in zip(shapes, [*dtypes, dtypes[0]], strict=False)]
    expected = join(parts, axis=axis)
    assert result_like(join, (parts,), {"axis": axis}) == (expected.shape, expected.dtype)
    assert result_like(join, (parts, axis), {}) == (expected.shape, expected.dtype)


@pytest.mark.parametrize(
    ("join", "shapes", "axis"),
    [
        (np.concatenate, [(2, 3), (4, 2)], 0),
        (np.concatenate, [(2, 3), (2,)], 0),
        (np.concatenate, [(2, 3), (2, 3)], 2),
        (np.stack, [(2, 3), (2, 4)], 0),
        (np.stack, [(2, 3), (2, 3)], 3),
    ],
)
def test_arrays_that_do_not_join_are_refused_as_numpy_does(join: Any, shapes: Any, axis: int) -> None:
    with pytest.raises(ValueError, match=r"dimension|same shape|out of bounds"):
        result_like(join, ([np.zeros(shape) for shape in shapes],), {"axis": axis})
