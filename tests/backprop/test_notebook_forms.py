"""What notebooks show: every public object of a plan's way, whole, escaped, and with the numbers of its text."""

from html.parser import HTMLParser

import numpy as np
import pytest
import sympy

import jacobians as jb
from backprop import MLP, Chain, compare, layer_costs, sweep, symbolic_costs

n = sympy.Symbol("n", integer=True, positive=True)
NETWORK = MLP.initialize([3, 4, 2], seed=0)
CHAIN = Chain.from_network(NETWORK, np.ones(3))
NAMED = Chain([np.ones((2, 3)), np.ones((3, 2))], names=["<script>alert(1)</script>", "B & C"])

SHOWN = {
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
    assert NETWORK._repr_html_().count("<tr>") == len(NETWORK.layers)
