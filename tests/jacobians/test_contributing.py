"""The page on contributing, run: a toy activation, a toy layer and a toy structure through the public doors."""

from __future__ import annotations

import ast
import copy
import itertools
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import backprop
import verification
from jacobians import Affine, Elementwise, Function, Graph, Sequential, Tanh
from jacobians.layers.activations import ACTIVATIONS
from jacobians.numerics.ledger import Ledger
from jacobians.products import core, multiply, product_cost
from jacobians.structures import Dense, Diagonal, stack

CORE = Path(__file__).resolve().parents[2] / "jacobians"
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


def test_a_structure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core, "ROWS", list(core.ROWS))  # put back what the page changes
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

    class Mirror(Function):
        def forward(self, x: Any) -> Any:
            return truth @ x

        def derivative(self, x: Any, wrt: str = "input") -> Any:
            return kind(v)

    net, x = Sequential(Affine(B, None), Mirror(), Tanh()), np.array([0.5, -1.0, 0.25])
    assert_allclose(backprop.compile(net)(x), np.diag(1 - np.tanh(truth @ B @ x) ** 2) @ truth @ B)
    plan = chain.plan("right")
    made: dict[str, Any] = {}
    exec(plan.to_source(dense=True), made)  # our own code
    assert_allclose(made["product"](**plan.source_arguments()), B @ truth @ B)
    graph = Graph.from_edges(["x"], ["x", "u", "y"], ["y"], [("x", "u", J), ("u", "y", Dense(B))])
    assert "Reflection" in graph.picture()
    found = graph.plan("optimal").execute()
    assert_allclose(found.jacobians[2, 0].dense(), B @ truth)
    assert found.cost == found.plan.cost
    # the row of the page, for one point and for several on either side
    d = np.array([1.0, -2.0, 3.0])
    for left, right in itertools.product(
        (J, stack([J, kind(v[::-1].copy())])), (Diagonal(d), Diagonal([d, 2 * d]))
    ):
        done = backprop.Chain([left, right]).plan().execute()
        assert done.jacobian.structure == "DiagonalPlusLowRank"
        assert done.cost == done.plan.cost
        assert_allclose(done.jacobian.dense(), left.dense() @ right.dense())
    core.forget()


# --- every block of the page -------------------------------------------------------------------------------


def blocks() -> list[tuple[str, str, str]]:
    """Return the blocks of code of the page: section, language, code."""
    found = []
    for section in PAGE.split("\n## ")[1:]:
        title = section.split("\n", 1)[0]
        found += [(title, *block) for block in re.findall(r"```(\w*)\n(.*?)```", section, flags=re.DOTALL)]
    return found


def test_each_block_of_python_belongs_to_a_section_that_is_run() -> None:
    titles = [title for title, language, _ in blocks() if language == "python"]
    assert list(dict.fromkeys(titles)) == [
        "How to add an activation",
        "How to add a layer",
        "How to add a structure",
    ]
    assert {language for _, language, _ in blocks()} == {"python", "sh"}
    for title in titles:
        assert f'code_of("{title}")' in Path(__file__).read_text(encoding="utf-8")


@pytest.mark.parametrize("code", [code for _, language, code in blocks() if language == "sh"])
def test_each_block_of_commands_is_read_by_the_shell_and_names_what_there_is(code: str) -> None:
    assert subprocess.run(["sh", "-n"], input=code, text=True, capture_output=True, check=False).stderr == ""
    project = tomllib.loads((CORE.parent / "pyproject.toml").read_text(encoding="utf-8"))
    for extra in re.findall(r"\.\[(\w+)\]", code):
        assert extra in project["project"]["optional-dependencies"]
    for group in re.findall(r"--group (\w+)", code):
        assert group in project["dependency-groups"]


def test_what_the_page_names_in_words_is_there() -> None:
    for path in re.findall(r"`((?:jacobians|tests|docs)/[\w./]+\.(?:py|md))`", PAGE):
        assert (CORE.parent / path).is_file(), path
    targets = (CORE.parent / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make (\w+)`", PAGE):
        assert f"\n{target}:" in f"\n{targets}", target


# --- what a structure of the library takes -----------------------------------------------------------------


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
