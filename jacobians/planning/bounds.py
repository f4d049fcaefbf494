"""What no elimination order can save: a lower bound from separators of vertices."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from jacobians.planning.elimination import useful
from jacobians.planning.scalars import is_scalar, is_sign

if TYPE_CHECKING:
    from jacobians.graph.graph import Graph

_MOST_VERTICES = 500  # two flows for each


def fewest_multiplications(graph: Graph, structure: bool) -> int | None:
    """Return a number of multiplications below which no elimination order comes, or None where none is known.

    Known for graphs of scalars, and for every graph whose edges all count as dense; None above 500 vertices.

    Eliminating v costs size(v) · a · b, a and b the sizes of the ends of its counted (not ±1) edges in and out. The
    edge u → v of what remains is the sum over the paths from u to v through eliminated vertices, and is ±1 only if
    there is one path and all its edges are. Take any path from an input to v whose last edge is counted in the graph
    given. Its last vertex before v that is not eliminated (inputs never are) has a counted edge to v. So the ends of
    the counted edges into v meet all those paths: a is at least the least size of a set of vertices, v not among them,
    that does. In the same way b is at least the least size of a set that meets all paths from v, by a counted edge, to
    another output; an output that is eliminated keeps its edges and ends a path. Both are minimum cuts. The bound is
    the sum over the vertices.

    Examples
    --------
    >>> from jacobians.graph import Graph
    >>> graph = Graph.from_edges(2, 5, [3, 4], [(0, 2, 0), (1, 2, 0), (2, 3, 0), (2, 4, 0)])
    >>> fewest_multiplications(graph, True), graph.plan().cost.multiplications
    (4, 4)
    """
    if len(graph.vertices) > _MOST_VERTICES or (structure and not is_scalar(graph)):
        return None
    live = useful(graph)
    counted: dict[tuple[int, int], bool] = {}
    for edge in graph.edges:
        if edge.source in live and edge.target in live:
            ends = edge.source, edge.target
            counted[ends] = ends in counted or not structure or not is_sign(edge.spec)
    after, before = defaultdict(list), defaultdict(list)
    counted_in, counted_out = defaultdict(list), defaultdict(list)
    for (source, target), counts in counted.items():
        after[source].append(target)
        before[target].append(source)
        if counts:
            counted_in[target].append(source)
            counted_out[source].append(target)
    sizes = [vertex.size for vertex in graph.vertices]
    inputs = [place for place in graph.inputs if place in live]
    outputs = [place for place in graph.outputs if place in live]
    least = 0
    for vertex in sorted(live - set(graph.inputs)):
        if counted_in[vertex] and counted_out[vertex]:
            others = [place for place in outputs if place != vertex]
            arriving = minimum_cut(sizes, after, inputs, counted_in[vertex])
            least += sizes[vertex] * arriving * minimum_cut(sizes, before, others, counted_out[vertex])
    return least


def minimum_cut(sizes: list[int], after: dict[int, list[int]], starts: list[int], ends: list[int]) -> int:
    """Return the least sum of the sizes of vertices that meet all paths from starts to ends, ends included.

    By augmenting paths; a vertex is an edge from (vertex, 0) to (vertex, 1) with its size as capacity.

    Examples
    --------
    >>> minimum_cut([1, 1, 1, 3, 1], {0: [3], 1: [3], 2: [3], 3: [4]}, [0, 1, 2], [3])
    3
    >>> minimum_cut([1, 1, 1, 2, 1], {0: [3], 1: [3], 2: [3], 3: [4]}, [0, 1, 2], [4])
    1
    """
    Node = tuple[int, int]
    room: dict[Node, dict[Node, int]] = defaultdict(dict)
    everything = sum(sizes)

    def pipe(source: Node, target: Node, capacity: int) -> None:
        room[source][target] = capacity
        room[target].setdefault(source, 0)

    for vertex, size in enumerate(sizes):
        pipe((vertex, 0), (vertex, 1), size)
        for target in after.get(vertex, ()):
            pipe((vertex, 1), (target, 0), everything)
    begin, end = (-1, 1), (-1, 0)
    for vertex in starts:
        pipe(begin, (vertex, 0), everything)
    for vertex in ends:
        pipe((vertex, 1), end, everything)
    flow = 0
    while True:
        came: dict[Node, Node] = {begin: begin}
        waiting = [begin]
        for node in waiting:
            for following, capacity in room[node].items():
                if capacity and following not in came:
                    came[following] = node
                    waiting.append(following)
        if end not in came:
            return flow
        way = [end]
        while way[-1] != begin:
            way.append(came[way[-1]])
        links = list(zip(way[1:], way, strict=False))
        amount = min(room[near][far] for near, far in links)
        for near, far in links:
            room[near][far] -= amount
            room[far][near] += amount
        flow += amount
