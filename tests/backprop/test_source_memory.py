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
from backprop.compiling.nodes import fixed_nodes
from backprop.compiling.printing import needed
from backprop.compiling.recording import Recording

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
    nodes = needed(recording.nodes, [result], everything_counted=False)
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
