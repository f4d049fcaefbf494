"""Pictures of graphs and plans: read back as XML, nothing lies on anything else, and all that is shown is true."""

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from numpy_programs import PROGRAMS
from structured_graphs import structured_graphs

from jacobians import Cost, Graph, Spec, trace
from jacobians.planning.picture import MOST_DRAWN
from jacobians.structures import (
    BlockDiagonal,
    Dense,
    Diagonal,
    Identity,
    Jacobian,
    Kronecker,
    Repeat,
    ScaledIdentity,
    Scatter,
    Selection,
    Zero,
)

SVG = "{http://www.w3.org/2000/svg}"


def drawn(picture):
    """Return the root, the boxes of vertices as (left, top, right, bottom), and all texts."""
    root = ElementTree.fromstring(picture)
    boxes = []
    for group in root.findall(f"{SVG}g"):
        rect = group.find(f"{SVG}rect")
        if rect is not None and group.get("transform") is None:
            x, y, width, height = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
            boxes.append((x, y, x + width, y + height))
    return root, boxes, [text.text for text in root.iter(f"{SVG}text")]


def assert_legible(picture, count):
    root, boxes, _ = drawn(picture)
    width, height = float(root.get("width")), float(root.get("height"))
    assert len(boxes) == count
    for k, (left, top, right, bottom) in enumerate(boxes):
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        for a, b, c, d in boxes[:k]:  # with room for the number above and the cost below
            assert right < a or c < left or bottom + 14 < b or d + 14 < top
    for text in root.iter(f"{SVG}text"):
        if text.get("text-anchor") == "middle" and text.get("x"):
            half = len(text.text) * 0.52 * float(text.get("font-size")) / 2
            assert float(text.get("x")) - half >= 0
            assert float(text.get("x")) + half <= width


@pytest.mark.parametrize("name", PROGRAMS)
def test_pictures_of_programs_have_no_overlaps_and_no_cut_texts(name):
    f, *points = PROGRAMS[name]
    graph = trace(f, *points)
    assert_legible(graph.picture(), len(graph.vertices))
    assert_legible(graph.plan("reverse").picture(), len(graph.vertices))


@settings(max_examples=40, deadline=None)
@given(structured_graphs(most_inner=7))
def test_pictures_of_any_graph_are_legible(graph):
    assert_legible(graph.plan("forward").picture(), len(graph.vertices))


def test_each_eliminated_vertex_has_its_place_in_the_order_and_its_cost():
    row = Spec.dense(1, 3)
    edges = [("x", "u", Spec.dense(3, 2)), ("u", "v", Spec.diagonal(3)), ("v", "y", row), ("u", "y", row)]
    names = ["x", "u", "v", "y"]
    plan = Graph.from_edges(names[:1], names, names[3:], edges).plan([2, 1])
    _, _, texts = drawn(plan.picture())
    assert texts[texts.index("v") : texts.index("v") + 4] == ["v", "3", "1", "3 + 3"]
    assert texts[texts.index("u") : texts.index("u") + 4] == ["u", "3", "2", "6 + 4"]
    assert "place in the order, multiplications + additions below" in texts
    assert "Plan (given) on" in plan._repr_html_()


def test_edges_are_coloured_by_structure_with_a_legend():
    graph = trace(PROGRAMS["attention"][0], *PROGRAMS["attention"][1:])
    root, _, texts = drawn(graph.picture())
    kinds = {edge.spec.structure for edge in graph.edges}
    assert kinds < set(texts)
    shown = {}
    for group in root.findall(f"{SVG}g"):
        if group.get("transform") and (line := group.find(f"{SVG}line")) is not None:
            shown[group.find(f"{SVG}text").text] = line.get("stroke")
    assert shown.keys() == kinds
    titles = {edge.spec.label: edge.spec.structure for edge in graph.edges}
    paths = [g for g in root.findall(f"{SVG}g") if g.find(f"{SVG}path") is not None]
    assert len(paths) == len(graph.edges)
    for group in paths:
        assert group.find(f"{SVG}path").get("stroke") == shown[titles[group.find(f"{SVG}title").text]]


def test_dashes_are_for_what_multiplies_nothing_and_colours_are_the_structures_own():
    class Swap(Diagonal):
        """A structure from outside that only moves, in a colour of its own."""

        structure = "OnlyMoved"
        _colour = "<teal>"

        def _init(self, d, *options, **named):
            self.d = d
            self._set(Spec.of("OnlyMoved", 2, 2), *options, **named)

        _apply_cost = classmethod(lambda cls, spec, columns, batch: Cost(0, 0))

    class Plain(Swap):
        structure = "NotOnlyMoved"
        _colour = Jacobian._colour
        _apply_cost = classmethod(lambda cls, spec, columns, batch: Cost(1, 0))

        def _init(self, d, *options, **named):
            self.d = d
            self._set(Spec.of("NotOnlyMoved", 2, 2), *options, **named)

    weights = np.ones(2)
    moves = [
        Selection([1, 0], 2), Scatter([1, 0], 2), Identity(2), ScaledIdentity(-1.0, 2), Repeat(2).T, Zero(2, 2),
        BlockDiagonal([Identity(1)] * 2), Swap(weights),
    ]  # fmt: skip
    multiply = [
        Selection([1, 0], 2, weights), Scatter([1, 0], 2, weights), ScaledIdentity(3.0, 2), Diagonal(weights),
        BlockDiagonal([Dense([[2.0]])] * 2), Kronecker(Repeat(2).T, [[1.0], [1.0]]), Plain(weights),
    ]  # fmt: skip
    colours = {}
    for J in moves + multiply:
        root, _, texts = drawn(Graph.from_edges(["x"], ["x", "y"], ["y"], [("x", "y", J)]).picture())
        path = root.find(f"{SVG}g/{SVG}path")
        assert (path.get("stroke-dasharray") is not None) == any(J is one for one in moves), J
        assert J.structure in texts
        colours[J.structure] = path.get("stroke")
    assert (colours["OnlyMoved"], colours["NotOnlyMoved"]) == ("<teal>", "#333333")
    assert len(set(colours.values())) == len(colours) - 1  # Selection and Scatter share


def test_names_are_escaped_and_long_ones_shortened_with_all_of_them_in_the_title():
    long = "a<b>&c" * 9
    picture = Graph.from_edges([long], [long, "y"], ["y"], [(long, "y", 1)]).picture()
    root, _, texts = drawn(picture)
    assert "<b>" not in picture
    assert texts[0] == f"{long[:17]}…"
    assert any(title.text.startswith(long) for title in root.iter(f"{SVG}title"))
    assert_legible(picture, 2)


def test_large_graphs_are_named_and_not_drawn():
    count = MOST_DRAWN + 1
    graph = Graph.from_edges(1, count, [count - 1], [(k, k + 1, 0) for k in range(count - 1)])
    assert (
        "401 vertices, 1 input, 1 output, 400 edges&gt;: more than 400 vertices are not drawn"
        in graph.picture()
    )
    assert graph._repr_svg_() == graph.picture()
    assert "<svg" in graph._repr_html_()


def test_a_picture_loads_nothing_from_elsewhere():
    graph = Graph.from_edges(1, 2, [1], [(0, 1, 0)])
    assert graph.plan()._repr_html_().count("http") == 1  # the name space of SVG
