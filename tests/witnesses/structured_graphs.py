"""Random graphs of structured edges, and what is true of them by plain NumPy: sums over paths, costs of orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from jacobians import Cost, Graph
from jacobians.products import product_cost, product_spec
from jacobians.products.sums import sum_cost, sum_spec
from jacobians.structures import (
    BlockDiagonal,
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    Identity,
    Jacobian,
    Kronecker,
    Repeat,
    ScaledIdentity,
    Scatter,
    Selection,
    Sparse,
    Toeplitz,
    Zero,
)


def edge(rng: np.random.Generator, m: int, n: int) -> Jacobian:
    """Return a Jacobian of a random structure that there is for the sizes; every second one dense."""
    normal = rng.standard_normal
    kinds: list[Any] = []
    if m == n:
        kinds += [
            lambda: Identity(n),
            lambda: Diagonal(normal(n)),
            lambda: ScaledIdentity(-1.0, n),
            lambda: ScaledIdentity(normal(), n),
            lambda: DiagonalPlusLowRank(normal(n), normal((n, 1)), normal((n, 1))),
            lambda: Selection(rng.permutation(n), n),
        ]
    if m > n and m % n == 0:
        kinds += [lambda: Repeat(m // n, q=n), lambda: Kronecker(normal((m // n, 1)), Identity(n))]
    if n > m and n % m == 0:
        kinds += [lambda: Repeat(n // m, q=m).T, lambda: Kronecker(Identity(m), normal((1, n // m)))]
    if m % 2 == n % 2 == 0:
        kinds += [
            lambda: Kronecker(normal((m // 2, n // 2)), Identity(2)),
            lambda: BlockDiagonal([Dense(normal((m // 2, n // 2))) for _ in range(2)]),
        ]
    if n >= m > 1:
        kinds.append(lambda: Toeplitz(normal(n - m + 1), n))
    kinds += [
        lambda: Zero(m, n),
        lambda: Selection(rng.integers(-1, n, m), n),
        lambda: Scatter(rng.integers(-1, m, n), m),
        lambda: _sparse(rng, m, n),
    ]
    if rng.random() < 0.5:
        return Dense(normal((m, n)))
    made: Jacobian = kinds[int(rng.integers(len(kinds)))]()
    return made


def _sparse(rng: np.random.Generator, m: int, n: int) -> Jacobian:
    from scipy.sparse import csr_array

    there = rng.random((m, n)) < 0.5
    there[0, 0] = True
    return Sparse(csr_array(rng.uniform(1, 2, (m, n)) * there))


@st.composite
def structured_graphs(draw: Any, most_inner: int = 5, sizes: Sequence[int] = (1, 2, 3, 4, 6)) -> Graph:
    """Draw a graph with one or two inputs and outputs, parallel edges, and vertices that nothing needs."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    inputs, inner = int(rng.integers(1, 3)), int(rng.integers(1, most_inner + 1))
    count = inputs + inner + 1
    size = [int(rng.choice(sizes)) for _ in range(count)]
    edges = []
    for target in range(inputs, count):
        for source in range(target):
            for _ in range(int(rng.choice([0, 1, 1, 2], p=[0.45, 0.35, 0.1, 0.1]))):
                edges.append((source, target, edge(rng, size[target], size[source])))
    outputs = [count - 1] if rng.random() < 0.6 else [count - 2, count - 1]
    return Graph.from_edges(inputs, count, [vertex for vertex in outputs if vertex >= inputs], edges)


def brute_force(graph: Graph, order: Sequence[int], structure: bool = True) -> tuple[Cost, int]:
    """Eliminate on plain mappings, and return the cost and the largest result: an algorithm of its own."""
    reached = set(graph.inputs)
    for _ in graph.vertices:
        reached |= {e.target for e in graph.edges if e.source in reached}
    needed = set(graph.outputs)
    for _ in graph.vertices:
        needed |= {e.source for e in graph.edges if e.target in needed}
    left: dict[tuple[int, int], Any] = {}
    cost, largest = Cost(), 0

    def put(key: tuple[int, int], spec: Any) -> None:
        nonlocal cost, largest
        if key in left:
            cost += sum_cost(left[key], spec)
            spec = sum_spec(left[key], spec)
            largest = max(largest, spec.storage)
        left[key] = spec

    for e in graph.edges:
        if {e.source, e.target} <= reached & needed:
            put((e.source, e.target), e.spec if structure else type(e.spec).dense(*e.spec.shape))
    for v in order:
        before = [(u, s) for (u, w), s in left.items() if w == v]
        after = [(w, s) for (u, w), s in left.items() if u == v]
        for u, a in before:
            for w, b in after:
                cost += product_cost(b, a)
                largest = max(largest, product_spec(b, a).storage)
                put((u, w), product_spec(b, a))
        for w, _ in after:
            del left[v, w]
        if v not in graph.outputs:
            for u, _ in before:
                del left[u, v]
    return cost, largest


def path_sums(graph: Graph) -> dict[tuple[int, int], np.ndarray[Any, Any]]:
    """Return the dense Jacobian of each output by each input, by running products from the inputs."""
    sizes = [vertex.size for vertex in graph.vertices]
    found = {}
    for source in graph.inputs:
        total = [np.zeros((size, sizes[source])) for size in sizes]
        total[source] = np.eye(sizes[source])
        for e in sorted(graph.edges, key=lambda e: e.target):
            assert e.jacobian is not None
            total[e.target] = total[e.target] + e.jacobian.dense() @ total[e.source]
        found |= {(target, source): total[target] for target in graph.outputs}
    return found
