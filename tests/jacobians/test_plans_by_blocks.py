"""Long graphs: single vertices that separate are found, blocks begin the search, and the search ends."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from jacobians import trace
from jacobians.planning import search
from jacobians.planning.blocks import orders_by_blocks, separators
from jacobians.planning.elimination import Elimination
from jacobians.planning.search import prices


def residual(blocks, outputs=3, n=4):
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((blocks, 2, n, n))
    V = rng.standard_normal((outputs, n))

    def f(x):
        for W, U in weights:
            x = x + U @ np.tanh(W @ (x - x.mean()))
        return V @ x

    return trace(f, np.arange(n) + 0.5)


def paths(graph):
    """Return every path from an input to an output, by walking."""
    after = {}
    for edge in graph.edges:
        after.setdefault(edge.source, set()).add(edge.target)
    found, waiting = [], [(place,) for place in graph.inputs]
    while waiting:
        path = waiting.pop()
        if path[-1] in graph.outputs:
            found.append(set(path))
        waiting += [(*path, following) for following in after.get(path[-1], ())]
    return found


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_separators_are_the_inner_vertices_of_every_path(blocks):
    graph = residual(blocks)
    machine = Elimination(graph)
    expected = set.intersection(*paths(graph)).intersection(machine.inner)
    assert separators(machine) == sorted(expected)
    assert len(expected) >= blocks


def test_nothing_separates_where_an_input_comes_late_or_an_output_early():
    late = trace(lambda x, y: np.sin(np.sin(np.cos(x))) * y, np.ones(3), np.ones(3))
    early = trace(lambda x: (np.sin(x), np.cos(np.cos(np.sin(x)))), np.ones(3))
    for graph in (late, early):
        machine = Elimination(graph)
        common = set.intersection(*paths(graph)).intersection(machine.inner)
        assert set(separators(machine)) <= common


def test_orders_by_blocks_eliminate_everything_once_and_alike_blocks_are_searched_once():
    machine = Elimination(residual(8))
    asked = []

    def of_blocks(count):
        def one(block):
            asked.append(block)
            return tuple(reversed(block.inner))

        return one

    orders = orders_by_blocks(machine, of_blocks)
    assert [sorted(order) for order in orders] == [machine.inner] * 2
    assert len(asked) < 8 * 2
    # from the outputs, each block reversed: the reverse order
    assert prices(machine, orders[0]) == prices(machine, tuple(reversed(machine.inner)))


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_longer_network_takes_so_much_more_a_block(outputs):
    costs = [residual(k, outputs).plan(evaluations=400).cost.multiplications for k in (6, 12, 18)]
    first, second = (b - a for a, b in pairwise(costs))
    assert first == second  # the search itself doesn't get there in 400 evaluations
    graph = residual(18, outputs)
    plan = graph.plan(evaluations=400)
    assert not plan.proven
    assert all(
        plan.cost.multiplications <= graph.plan(name).cost.multiplications
        for name in ("reverse", "forward", "markowitz")
    )


def test_the_work_of_a_search_is_limited_whatever_the_length(monkeypatch):
    count = 0
    eliminate = Elimination.eliminate

    def counted(self, state, vertex):
        nonlocal count
        count += 1
        return eliminate(self, state, vertex)

    monkeypatch.setattr(Elimination, "eliminate", counted)
    for blocks in (10, 40):
        count = 0
        graph = residual(blocks)
        graph.plan(evaluations=2_000)
        most = 2 * 2_000 * search._MOST_WORK / 100  # blocks, and the whole
        assert 0 < count <= most + 40 * len(graph.vertices)
