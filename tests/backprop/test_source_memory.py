"""Workspaces of generated code: random programs give what NumPy gives, and no call sees another one's memory."""

from __future__ import annotations

import re
import threading
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose, assert_array_equal

import backprop
from backprop.compiling.networks import Trace, array_form
from backprop.compiling.nodes import Node, by_need, fixed_nodes
from backprop.compiling.printing import needed
from backprop.compiling.recording import Recording
from jacobians import Affine, Sequential, SiLU

SIZE = 64  # 64×64 entries are just enough to be kept
OPERATIONS = {
    "tanh": np.tanh,
    "cos": np.cos,
    "add": np.add,
    "multiply": np.multiply,
    "matmul": np.matmul,
    "transpose": lambda a: a.T,
    "bend": lambda a: np.reshape(a, (SIZE // 2, 2 * SIZE)),
    "bend back": lambda a: np.reshape(a, (SIZE, SIZE)),
    "row": lambda a: a[:1, :] * np.ones((SIZE, 1)),
    "sums": lambda a: a + np.sum(a, axis=0),
    "scale": lambda a: a * 0.5,
    "axis": lambda a: a[None],
    "axis inside": lambda a: a[:, None, :],
    "reversed": lambda a: a[::-1],
    "picked": lambda a: a[np.arange(SIZE)[::-1]],
}
TWO = ("add", "multiply", "matmul")


@st.composite
def programs(draw: st.DrawFn) -> list[tuple[str, tuple[int, ...]]]:
    """Return steps: a name, and which earlier values it reads; a value of another shape is bent back first."""
    steps: list[tuple[str, tuple[int, ...]]] = []
    for count in range(1, draw(st.integers(3, 14))):
        name = draw(st.sampled_from(sorted(OPERATIONS)))
        reads = st.integers(max(0, count - 4), count - 1)
        steps.append((name, tuple(draw(reads) for _ in range(2 if name in TWO else 1))))
    return steps


def run(program: list[tuple[str, tuple[int, ...]]], x: Any) -> Any:
    values = [x]
    for name, reads in program:
        operands = [values[place] for place in reads]
        if name != "bend back":
            operands = [a if a.shape == (SIZE, SIZE) else np.reshape(a, (SIZE, SIZE)) for a in operands]
        value = OPERATIONS[name](*operands)
        values.append(value * (1 / SIZE) if name == "matmul" else value)
    return values[-1]


def compiled(program: list[tuple[str, tuple[int, ...]]]) -> tuple[Any, str]:
    recording = Recording(share=True)
    x: Any = recording.input("x", (SIZE, SIZE))
    result = run(program, x).node
    return made(recording.nodes, result)


def made(nodes: list[Node], result: Node) -> tuple[Any, str]:
    nodes = needed(nodes, [result], everything_counted=False)
    trace = Trace(nodes, result, fixed_nodes(nodes), None)  # type: ignore[arg-type]  # no plan is read
    source, constants, workspace, *_ = array_form(trace, "A program.")
    assert workspace == 8 * sum(map(int, re.findall(r"np\.empty\((\d+)\)", source)))
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    return namespace["make"](**constants), source


def point(seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal((SIZE, SIZE))


@settings(max_examples=200, deadline=None)
@given(programs())
def test_random_programs_give_what_numpy_gives(program: list[tuple[str, tuple[int, ...]]]) -> None:
    function, source = compiled(program)
    first, second = point(1), point(2)
    kept = function(first)
    found = function(second)
    # the second call took the first one's workspace, and the answer of the first call stays what it was
    for x, answer in ((first, kept), (second, found)):
        assert_allclose(answer, run(program, x), rtol=1e-9, atol=1e-12, err_msg=source)
    assert_array_equal(first, point(1))


@st.composite
def programs_with_writes(draw: st.DrawFn) -> tuple[list[tuple[str, int, int]], list[int]]:
    """Return steps that make an array, write to one, take a view or a sum, and the values that are asked for first."""
    kinds = st.sampled_from(["new", "write", "row", "sum"])
    steps = [(draw(kinds), draw(st.integers(0, 20)), draw(st.integers(0, 20))) for _ in range(12)]
    return steps, draw(st.lists(st.integers(0, 20), max_size=4))


def run_writes(steps: list[tuple[str, int, int]], x: Any) -> list[Any]:
    values, owned = [x, np.zeros_like(x)], [1]
    for kind, first, second in steps:
        a, b = values[first % len(values)], values[second % len(values)]
        if kind == "new":
            owned.append(len(values))
            values.append(np.zeros_like(x))
        elif kind == "write":
            values[owned[first % len(owned)]][...] = np.cos(b) + 1
        elif kind == "row":
            values.append(a[:1] + a)
        else:
            values.append(a * 0.5 + b)
    return [*values, sum(values[1:], x)]


@settings(max_examples=300, deadline=None)
@given(programs_with_writes())
def test_another_order_of_execution_keeps_reads_between_their_writes(
    program: tuple[list[tuple[str, int, int]], list[int]],
) -> None:
    steps, first = program
    recording = Recording(share=True)
    values = run_writes(steps, recording.input("x", (3,)))
    ordered = by_need(recording.nodes, [values[place % len(values)].node for place in first])
    assert sorted(map(id, ordered)) == sorted(map(id, recording.nodes))
    function, source = made(ordered, values[-1].node)
    x = np.random.default_rng(3).standard_normal(3)
    assert_allclose(function(x), run_writes(steps, x.copy())[-1], rtol=1e-12, err_msg=source)


def test_what_is_asked_for_first_is_computed_first() -> None:
    recording = Recording(share=True)
    x: Any = recording.input("x", (3,))
    a, b = np.cos(x), np.sin(x)
    c, d = np.tanh(b), np.exp(a)
    total = a + b + c + d
    order = [node.function for node in by_need(recording.nodes, [c.node, d.node])]
    assert order == ["x", np.sin, np.tanh, np.cos, np.exp, np.add, np.add, np.add]
    assert total.node.shape == (3,)


def test_a_compiled_network_runs_forward_first_and_then_from_the_output_back() -> None:
    rng = np.random.default_rng(0)
    W = [rng.standard_normal(shape) for shape in ((30, 40), (40, 30), (20, 40))]
    net = Sequential(Affine(W[0], None), SiLU(), Affine(W[1], None), SiLU(), Affine(W[2], None))
    source = backprop.compile(net, shape=(40,), form="arrays").source
    forward, second, first = (source.index(text) for text in ("W_2.dot(", "(1 + (t5 *", "(1 + (t1 *"))
    assert forward < second < first < source.index("W_4 *")
    assert source.count("with np.errstate") == 2  # one a layer forward, and both derivatives in the last


DEEP: list[tuple[str, tuple[int, ...]]] = [
    (name, reads)
    for k in range(0, 24, 3)
    for name, reads in (("matmul", (k, 0)), ("tanh", (k + 1,)), ("add", (k + 2, k + 1)))
]


def test_deep_programs_take_few_buffers() -> None:
    _, source = compiled(DEEP)
    assert 1 <= source.count("np.empty(") <= 3
    assert "out=w1" in source


def test_threads_at_once_have_a_workspace_each() -> None:
    function, _ = compiled(DEEP)
    points = [point(seed) for seed in range(4)]
    expected = [run(DEEP, x) for x in points]
    both = threading.Barrier(len(points), timeout=20)
    wrong: list[int] = []

    def work(place: int) -> None:
        both.wait()
        for _ in range(30):
            if not np.allclose(function(points[place]), expected[place], rtol=1e-9, atol=1e-12):
                wrong.append(place)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(points))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_call_that_raises_loses_its_workspace_only() -> None:
    function, _ = compiled([("matmul", (0, 0)), ("multiply", (1, 1)), ("multiply", (2, 2)), ("tanh", (3,))])
    with pytest.raises(RuntimeWarning, match="overflow"):
        function(point(0) * 1e100)
    assert_allclose(
        function(point(1)),
        np.tanh((point(1) @ point(1) / SIZE) ** 4),
        rtol=1e-9,
        atol=1e-12,
    )


def test_answers_of_a_network_are_the_callers_own() -> None:
    net = backprop.MLP.initialize([64, 64, 64, 64], seed=0)
    jacobian = backprop.compile(net)
    x = np.linspace(-1, 1, 64)
    first = jacobian(x)
    before = first.copy()
    jacobian(-x)
    assert_array_equal(first, before)
    assert jacobian(x) is not first
