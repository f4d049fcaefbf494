"""What notebooks show: every public object of a plan's way, whole, escaped, and with the numbers of its text."""

import pickle
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import sympy

import jacobians as jb
import verification
from backprop import MLP, Chain, compare, layer_costs, picture, sweep, symbolic_costs
from jacobians.markup import Html, Keyed, Marked, html_table

ROOT = Path(__file__).resolve().parents[2]
n = sympy.Symbol("n", integer=True, positive=True)
NETWORK = MLP.initialize([3, 4, 2], seed=0)
CHAIN = Chain.from_network(NETWORK, np.ones(3))
NAMED = Chain([np.ones((2, 3)), np.ones((3, 2))], names=["<script>alert(1)</script>", "B & C"])

RESIDUAL = jb.Sequential(jb.Affine(np.eye(2)), jb.Residual(jb.Tanh()), jb.Residual(jb.Tanh()))
MEETING = Chain.from_network(RESIDUAL, np.ones(2))
Hostile = type("<b>&", (jb.Tanh,), {})

SHOWN = {
    "layer": jb.Affine(np.ones((3, 2)), np.zeros(3)),
    "layer of a hostile name": Hostile(),
    "network of a hostile name": jb.Sequential(jb.Affine(np.eye(2)), Hostile()),
    "linearization": NETWORK.linearize(np.ones(3)),
    "linearization of a hostile network": jb.Sequential(Hostile()).linearize(np.ones(2)),
    "graph of a network": MEETING,
    "plan of a graph of a network": MEETING.plan(),
    "execution of it": MEETING.plan().execute(),
    "picture": NETWORK.picture(),
    "check": verification.check(jb.Tanh(), np.ones(2)),
    "chain": CHAIN,
    "chain with names": NAMED,
    "chain of letters": Chain.from_shapes([(n, 2), (2, n)]),
    "plan": CHAIN.plan(),
    "plan with names": NAMED.plan(),
    "plan of letters": Chain.from_shapes([(n, 2), (2, n)]).plan("left"),
    "execution": CHAIN.plan().execute(),
    "network": NETWORK,
    "residual": jb.Residual(jb.Tanh()),
    "cost": CHAIN.plan().cost,
    "comparison": compare(CHAIN),
    "graph": jb.trace(lambda x: x * x, np.ones(2)),
    "graph plan": jb.trace(lambda x: np.tanh(x) * x, np.ones(2)).plan(),
    "execution of a graph plan": jb.trace(lambda x: np.tanh(x) * x, np.ones(2)).plan().execute(),
    "graph of layers": jb.LayerGraph([(Hostile(), (-1,)), ("sum", (-1, 0))]),
    "symbolic costs": symbolic_costs(Chain.from_shapes([(n, 2), (2, 3), (3, n)])),
    "layer costs": layer_costs(NETWORK, np.ones(3)),
    "sweep": sweep(widths=[4], depths=[2]),
}


class Balanced(HTMLParser):
    """Tags that are opened are closed, and no script is among them."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", SHOWN)
def test_what_a_notebook_shows_is_well_formed_and_escaped(name):
    text = SHOWN[name]._repr_html_()
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert "script" not in parser.seen
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")


def test_a_plan_shows_every_step_with_its_cost():
    plan = CHAIN.plan()
    text = plan._repr_html_()
    assert text.count("<tr>") == len(plan.steps) + 1
    for step in plan.steps:
        assert f"{step.cost.multiplications:,}" in text
    assert plan.picture().svg.startswith("<svg")


def test_a_network_shows_every_layer():
    assert NETWORK._repr_html_().count("<tr>") == 1 + len(NETWORK.layers)


def test_compositions_of_the_same_parts_can_be_told_apart():
    kinds = (jb.Residual, jb.Sum, jb.Product, jb.Concatenate, jb.Sequential)
    shown = {kind(jb.Tanh())._repr_html_() for kind in kinds}
    assert len(shown) == len(kinds)
    assert ">Residual</th>" in jb.Residual(jb.Tanh())._repr_html_()


def test_a_graph_of_layers_says_what_goes_where_in_its_own_words():
    net = jb.LayerGraph(
        [(jb.Affine(np.eye(2)), (-1,)), (jb.Tanh(), (0,)), ("sum", (-1, 1)), ("product", (2, 0))]
    )
    text = net._repr_html_()
    assert "_Given" not in text + repr(net)
    for given in ("input", "0", "input, 1", "2, 0"):
        assert f">{given}</td>" in text
    assert text.count(">4</td>") == 1, "a join has no parameters of its own"


def test_an_execution_on_a_graph_shows_its_jacobians_and_what_was_counted():
    execution = jb.trace(lambda x, y: np.sin(x) * y, np.ones(2), np.ones(2)).plan().execute()
    text = execution._repr_html_()
    assert f"counted: {execution.cost}, as planned" in text
    assert text.count("∂v3/∂") == len(execution.jacobians) == 2
    assert execution.plan._repr_html_() in text


@pytest.mark.parametrize("name", ["graph", "graph plan", "graph of a network"])
def test_columns_aligned_by_spaces_have_letters_of_one_width(name):
    text = SHOWN[name]._repr_html_()
    assert text.count("<pre") == text.count('<pre style="font-family:monospace">') == 1


# --- diagrams --------------------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


def texts_of(drawn):
    return [text.text for text in ElementTree.fromstring(drawn).iter(f"{SVG}text")]


def test_a_diagram_has_every_layer_with_shape_structure_and_what_a_row_multiplies():
    texts = texts_of(NETWORK.picture())
    linear = NETWORK.linearize(np.zeros(3))
    for place, (layer, jacobian) in enumerate(zip(NETWORK.layers, linear.jacobians, strict=True)):
        name = type(layer).__name__
        assert f"{place}.{name}" in texts
        assert f"{name} {jacobian.shape[0]}" in texts
        assert jacobian.label in texts
    m, n = 4, 3
    assert f"{m * n} ×" in texts  # δᵀW by hand
    assert f"{m} ×" in texts  # δᵀ diag(φ′)


def test_a_diagram_shows_the_way_around_a_residual_block():
    drawn = ElementTree.fromstring(RESIDUAL.picture())
    titles = [title.text for title in drawn.iter(f"{SVG}title")]
    assert titles.count("I₂") == 2 * 2  # to the sum, around the block and behind it


def test_hostile_names_are_texts_in_diagrams():
    svg = SHOWN["network of a hostile name"].picture()
    assert "&lt;b&gt;&amp;" in svg
    assert "<b>" not in svg
    assert any("<b>&" in text for text in texts_of(svg))


def test_a_diagram_without_a_point_needs_parameters_that_tell_the_inputs():
    with pytest.raises(
        ValueError, match=r"^x: found none, expected a point, for Tanh takes .*; write picture\(x\)$"
    ):
        jb.Tanh().picture()
    assert "Tanh 5" in texts_of(jb.Tanh().picture(np.zeros(5)))
    scaled = jb.Sequential(jb.Tanh(), jb.Affine(np.ones((2, 7))))
    assert "input 7" in texts_of(scaled.picture())
    with pytest.raises(ValueError, match=r"^x: found a point of shape \(9,\), expected \(3,\)$"):
        NETWORK.picture(np.zeros(9))


def test_one_function_draws_all_that_can_be_drawn():
    graph = jb.trace(lambda x: x * x, np.ones(2))
    for thing in (CHAIN.plan(), MEETING, MEETING.plan(), graph, graph.plan()):
        assert picture(thing) == thing.picture()
    assert picture(NETWORK) == NETWORK.picture()
    assert picture(jb.Tanh(), [1.0, 2.0]) == jb.Tanh().picture([1.0, 2.0])
    with pytest.raises(
        TypeError, match=r"^x: found a point beside Plan, expected one beside a network alone$"
    ):
        picture(CHAIN.plan(), [1.0])


def test_a_picture_is_its_text_and_survives_pickle():
    drawn = NETWORK.picture()
    assert drawn == drawn.svg
    assert type(drawn.svg) is str
    assert pickle.loads(pickle.dumps(drawn)) == drawn
    assert type(pickle.loads(pickle.dumps(drawn))) is jb.picture.Picture


def test_drawing_needs_neither_matplotlib_nor_a_template():
    code = (
        "import sys, numpy as np, jacobians as jb\n"
        "net = jb.Sequential(jb.Affine(np.eye(2)), jb.Tanh())\n"
        "net.picture(); net._repr_html_(); net.linearize([1.0, 2.0])._repr_html_()\n"
        "print(sorted({'matplotlib', 'jinja2', 'sympy', 'backprop', 'verification'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- the one writer of tables ----------------------------------------------------------------------------


def test_tables_escape_all_but_what_is_html_already():
    rows = [["<x>", Marked("ok", Html("<b>ok</b>")), Keyed("2 ms", 0.002)], ["<x>", "&", Keyed("1 s", 1.0)]]
    page = html_table(["a", "<head>", "time"], rows, [2], caption="<caption>", page=True)
    for text in (
        "&lt;x&gt;",
        "<b>ok</b>",
        "&lt;head&gt;",
        "&lt;caption&gt;",
        "<td>&amp;</td>".replace("<td>", ">"),
    ):
        assert text in page
    assert page.count('data-key="0.002"') == 1
    assert page.count('class="again text"') == 1  # what the row above said already
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []


def test_long_texts_are_wrapped_and_numbers_are_not():
    table = html_table(["n", "text"], [["1,000", "x" * 80]], [0])
    assert 'text-align:right;white-space:nowrap">1,000' in table
    assert f'overflow-wrap:anywhere">{"x" * 80}' in table


def test_no_other_file_writes_tables():
    written = [
        path.relative_to(ROOT).as_posix()
        for room in ("jacobians", "verification", "backprop")
        for path in sorted((ROOT / room).rglob("*"))
        if path.suffix in (".py", ".j2") and "<table" in path.read_text(encoding="utf-8")
    ]
    assert written == ["jacobians/markup.py"]
