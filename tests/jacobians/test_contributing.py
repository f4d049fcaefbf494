"""The page on contributing, run: a toy activation, a toy layer and a toy structure through the public doors."""

from __future__ import annotations

import ast
import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import backprop
import verification
from jacobians import Affine, Elementwise, Sequential
from jacobians.layers.activations import ACTIVATIONS
from jacobians.numerics.ledger import Ledger
from jacobians.products import multiply, product_cost
from jacobians.structures import stack

PAGE = (Path(__file__).resolve().parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def code_of(section: str) -> dict[str, Any]:
    """Run the code of a section of the page."""
    text = PAGE.split(f"## {section}\n")[1].split("\n## ")[0]
    names: dict[str, Any] = {"__name__": "contributed"}
    for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(block, names)  # our own page
    return names


def test_an_activation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ACTIVATIONS, "bent", ACTIVATIONS["tanh"])  # put back what the page changes
    kind = code_of("How to add an activation")["Bent"]
    assert ACTIVATIONS["bent"] is kind
    net = backprop.MLP.initialize([3, 4, 1], activation="bent", loss="squared-error", seed=0)
    x = np.array([0.5, -1.0, 2.0])
    assert verification.check(kind(), x).verdict == "right"
    assert_allclose(backprop.compile(net)(x), net.jacobian(x).dense())


class Bodied(Elementwise):
    """A leaky step of which the body says what the constructor isn't given."""

    rectifier, array_api, kinks, leak, domain = True, True, (0.0,), 0.5, (-10.0, 10.0)

    def __init__(self, **given: Any) -> None:
        super().__init__(
            "bodied", lambda z: np.where(z > 0, z, z / 2), lambda z: np.where(z > 0, 1.0, 0.5), **given
        )

    def df_by_value(self, z: Any, y: Any) -> Any:
        return np.where(y > 0, 1.0, 0.5)


def test_what_the_body_of_an_activation_says_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Bodied()
    assert (row.rectifier, row.array_api, row.kinks, row.domain) == (True, True, (0.0,), (-10.0, 10.0))
    assert (Bodied(rectifier=False).rectifier, Bodied(kinks=()).kinks) == (False, ())
    assert_allclose(row.linearize(np.array([-2.0, 4.0])).jacobians[0].diagonal(), [0.5, 1.0])
    with pytest.raises(
        ValueError, match="x: found 11, expected numbers between -10 and 10, the domain of bodied"
    ):
        row([11.0])
    with pytest.raises(TypeError, match="rectifier: found 'yes', expected True or False"):
        type("Told", (Bodied,), {"rectifier": "yes"})()
    monkeypatch.setitem(ACTIVATIONS, "bodied", Bodied)
    W = backprop.MLP.initialize([400, 300, 2], activation="bodied", seed=0).parameters["0.W"]
    assert_allclose(W.std(), np.sqrt(2 / (400 * 1.25)), rtol=0.01)  # He's variance, not Glorot's 2/700


def test_a_layer() -> None:
    layer = code_of("How to add a layer")["Cubic"](2.0)
    for wrt in ("input", "a"):
        assert verification.check(layer, np.array([1.0, -2.0]), wrt=wrt).verdict == "right"
    net = Sequential(Affine(np.ones((2, 3)), None), layer)
    assert_allclose(net.jacobian([1.0, 0.0, 2.0]).dense(), np.full((2, 3), 54.0))


def test_a_structure() -> None:
    kind = code_of("How to add a structure")["Reflection"]
    v = np.array([0.6, 0.0, 0.8])
    J, truth = kind(v), np.eye(3) - 2 * np.outer(v, v)
    assert_allclose(J.dense(), truth)
    assert_allclose(copy.deepcopy(J).dense(), truth)
    B = np.arange(9.0).reshape(3, 3)
    assert_allclose((J @ B).dense(), truth @ B)
    assert_allclose((B @ J).dense(), B @ truth)
    assert_allclose((J @ J).dense(), np.eye(3), atol=1e-15)
    assert_allclose((J + J).dense(), 2 * truth)
    assert_allclose(stack([J, J]).dense(), [truth, truth])
    ledger = Ledger()
    multiply(J, J, ledger)
    assert ledger.cost == product_cost(J.spec, J.spec)
    assert (J.storage, J.spec.T) == (3, J.spec)
    chain = backprop.Chain([B, J, B])
    done = chain.plan("optimal").execute()
    assert_allclose(done.jacobian.dense(), B @ truth @ B)
    assert done.cost == chain.plan("optimal").cost
    assert verification.check(lambda x: truth @ x, np.ones(3), J).verdict == "right"


# --- what a structure of the library takes -----------------------------------------------------------------

CORE = Path(__file__).resolve().parents[2] / "jacobians"


def lines_about(name: str, source: str) -> int:
    """Return how many lines the functions and the elements of tables take that name a structure."""
    tree = ast.parse(source)
    parts: list[ast.stmt | ast.expr] = []
    for node in tree.body:
        table = isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple | ast.List)
        parts += node.value.elts if table else [node]  # type: ignore[attr-defined]  # known by the line before
    about = [part for part in parts if name in ast.unparse(part) and not isinstance(part, ast.ImportFrom)]
    return sum(int(part.end_lineno or 0) - part.lineno + 1 for part in about)


def test_a_structure_of_the_library_is_its_file_and_its_rows() -> None:
    # the graph and the layers make Jacobians of it; all others describe it
    describing = [
        path for path in CORE.rglob("*.py") if path.relative_to(CORE).parts[0] not in ("graph", "layers")
    ]
    naming = {
        path.relative_to(CORE).as_posix(): source
        for path in describing
        if "BlockDiagonal" in (source := path.read_text(encoding="utf-8"))
    }
    own = naming.pop("structures/block_diagonal.py")
    export = naming.pop("structures/__init__.py")
    assert export.count("BlockDiagonal") == 2  # imported, and named in __all__
    assert set(naming) == {"products/blocks.py"}
    assert len(own.splitlines()) + lines_about("BlockDiagonal", naming["products/blocks.py"]) <= 110
