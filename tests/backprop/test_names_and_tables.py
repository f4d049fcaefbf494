"""Names are only names in every output, nothing is cut off, and every cost says what it counts."""

import csv
import io
import json
import os
import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import backprop
import jacobians
import verification
from backprop import MLP, Chain, compare
from backprop.report import report_network
from backprop.tables import Tex, csv_table, latex_table, markdown_table, markdown_text, text_table
from jacobians import Affine, ReLU, Sequential, Spec, SquaredError
from jacobians.names import printable, quotable

HOSTILE = [
    'x\nimport os; os.environ["PWNED"]="1"\n#',
    'A"""+str(__import__("os").environ.__setitem__("PWNED","1"))+"""',
    'a\\"""; import os; os.environ["PWNED"]="1"; """',
    "\x1b[31mred",
    "a\u202eb\u2028c\x85d\re",
    "=cmd|' /C calc'!A0",
    "@SUM(A1)",
    "<script>alert(1)</script>",
    "a|b\\|c`d`",
    "\ud800",
    '"',
    "\\",
]


def chain_of(names):
    sizes = [1, 2, 3, 1, 2, 3, 1, 2, 3, 1][: len(names) + 1]
    return Chain([np.ones((m, n)) for m, n in pairwise(sizes)], names=names)


def outputs(chain):
    plan, comparison = chain.plan("left"), compare(chain)
    return [
        str(plan), repr(plan), repr(chain), str(comparison), comparison.to_markdown(), comparison.to_csv(),
        comparison.to_html(), plan.to_source(), plan.bracketing, json.dumps(comparison.to_dict(), ensure_ascii=False),
    ]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_runs_no_code_and_breaks_no_line(name, monkeypatch):
    monkeypatch.delenv("PWNED", raising=False)
    chain, plain = chain_of([name, "B", "C"]), chain_of(["A", "B", "C"])
    module = {}
    exec(chain.plan("left").to_source(), module)
    assert (
        module["product"](**chain.plan("left").source_arguments())
        == plain.plan("left").execute().jacobian.dense()
    )
    assert "PWNED" not in os.environ
    for text in outputs(chain):
        assert all(line.isprintable() for line in text.split("\n"))
    for text, usual in zip(outputs(chain)[4:6], outputs(plain)[4:6], strict=True):
        assert text.count("\n") == usual.count("\n")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=12), min_size=3, max_size=3))
def test_any_text_is_a_name(names):
    chain = chain_of(names)
    module = {}
    exec(chain.plan("left").to_source(), module)
    assert module["product"](**chain.plan("left").source_arguments()) == 6.0
    assert chain.plan("left").bracketing in module["product"].__doc__
    rows = list(csv.reader(io.StringIO(compare(chain).to_csv())))
    assert {len(row) for row in rows} == {len(rows[0])}
    found = rows[1][rows[0].index("bracketing")]
    assert found.removeprefix("'") == chain.plan("left").bracketing


@given(st.text())
def test_what_is_printable_says_all_that_was_there(text):
    shown = printable(text)
    assert shown.isprintable()
    assert eval(f'"""{quotable(shown)} """') == f"{shown} "


def test_no_cell_of_csv_is_a_formula():
    text = csv_table(["n", "m"], [[name, -1] for name in ("=1+1", "+1", "-1", "@x", "\t=1", "a=1")])
    rows = list(csv.reader(io.StringIO(text)))[1:]
    assert all(row[0][0] not in "=+-@\t\r" for row in rows)
    assert [row[1] for row in rows] == ["-1"] * 6


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags = set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)


def test_names_are_no_tags_and_no_columns():
    chain = chain_of(["<b>x</b>", "a|b", "c\\|d"])
    parser = Tags()
    parser.feed(compare(chain).to_html())
    assert parser.tags == {"table", "thead", "tbody", "tr", "th", "td"}
    lines = compare(chain).to_markdown().split("\n")
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines} == {9}
    assert markdown_table(["a"], [["<i>"]]).split("\n")[-1] == "| \\<i> |"


# --- nothing is cut off ----------------------------------------------------------------------------------


@given(
    st.lists(st.lists(st.text("ab· ", max_size=150), min_size=4, max_size=4), min_size=1, max_size=4),
    st.integers(0, 10**30),
)
def test_a_table_fits_and_holds_everything(rows, number):
    header = ["one", "two", "three words here", "four", "n"]
    text = text_table(header, [[*row, f"{number:,}"] for row in rows], numeric=(4,))
    assert max(map(len, text.split("\n"))) <= 80
    assert text.count(f"{number:,}") >= len(rows)
    letters = sorted(letter for row in rows for cell in row for letter in cell if letter in "ab·")
    found = sorted(letter for letter in text if letter in "ab·")
    # the first column is repeated beside each block
    assert len(found) >= len(letters)
    for letter in "ab·":
        assert found.count(letter) >= letters.count(letter)


@pytest.mark.parametrize("count", [3, 31, 32, 200])
def test_a_bracketing_is_whole_and_grows_linearly(count):
    rng = np.random.default_rng(count)
    sizes = rng.integers(1, 50, count + 1)
    chain = Chain.from_shapes(list(zip(sizes[:-1].tolist(), sizes[1:].tolist(), strict=True)))
    for strategy in ("left", "right", "optimal"):
        plan = chain.plan(strategy)
        for text in (plan.bracketing, compare(chain)[strategy].bracketing, str(plan), str(compare(chain))):
            assert "…" not in text
        assert all(re.search(rf"(?<![A-Z]){name}(?![0-9])", plan.bracketing) for name in chain.names)
        assert len(plan.bracketing) < 40 * count
        assert len(str(plan)) < 600 * count
        assert max(map(len, str(plan).split("\n"))) <= 80


def test_named_intermediates_are_a_bracketing_of_the_same_cost():
    sizes = np.random.default_rng(1).integers(1, 50, 41).tolist()
    chain = Chain.from_shapes(list(pairwise(sizes)))
    plan = chain.plan("optimal")
    trees = {name: place for place, name in enumerate(chain.names)}
    *named, last = plan.bracketing.split(", ")
    for line in named:
        name, _, product = line.partition(" = ")
        trees[name] = tuple(trees[part] for part in product.split("·"))
    assert chain.plan(tuple(trees[part] for part in last.split("·"))).cost == plan.cost


def test_names_of_intermediates_are_not_those_of_factors():
    names = [f"P{k}" for k in range(40)]
    plan = Chain.from_shapes([(2, 2)] * 40, names=names).plan("left")
    assert plan.bracketing.startswith("PP1 = P0·P1, PP2 = PP1·P2, ")


# --- what a cost counts ----------------------------------------------------------------------------------


def the_course_net():
    net = MLP.initialize(
        [2, 3, 4, 1], activation="relu", output_activation="sigmoid", loss="binary-cross-entropy", seed=0
    )
    return Chain.from_network(net, np.array([1.0, -1.0]), net.loss_function(1), by="0.W")


def test_the_whole_chain_is_counted_unless_asked():
    comparison = compare(the_course_net())
    assert [comparison[name].multiplications for name in ("left", "right", "optimal")] == [24, 42, 23]
    assert [the_course_net().plan(name).cost.multiplications for name in ("left", "right", "optimal")] == [
        24,
        42,
        23,
    ]
    assert not comparison.dead_units


def test_every_form_says_whether_dead_units_were_left_out():
    chain = the_course_net()
    left_out, whole = compare(chain, dead_units=True), compare(chain)
    for text in (str(left_out), left_out.to_markdown(), left_out.to_html()):
        assert "Dead units are left out" in " ".join(text.split())
        assert "multiplications, whole chain" in text
    for text in (str(whole), whole.to_markdown(), whole.to_html()):
        assert "Costs of the whole chain" in " ".join(text.split())
    assert left_out.to_dict()["dead_units"]["left_out"]
    assert not whole.to_dict()["dead_units"]["left_out"]
    for comparison, kept in ((left_out, "left out"), (whole, "kept")):
        rows = list(csv.DictReader(io.StringIO(comparison.to_csv())))
        assert {row["dead_units"] for row in rows} == {kept}
    rows = list(csv.DictReader(io.StringIO(left_out.to_csv())))
    assert [int(row["whole_multiplications"]) for row in rows] == [24, 42, 23]
    assert "left the chain, which saves" in str(chain.plan(dead_units=True))
    assert "stay (dead_units=True leaves them out)" in str(chain.plan())


def test_all_files_of_a_report_say_it(tmp_path):
    rng = np.random.default_rng(0)
    net = Sequential(
        Affine(rng.normal(size=(8, 4)), np.zeros(8)), ReLU(), Affine(rng.normal(size=(3, 8)), np.zeros(3))
    )
    report = report_network(net, rng.normal(size=4), SquaredError(np.zeros(3)), output=tmp_path)
    assert report
    data = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    dead = data["derivatives"][0]["dead_units"]
    assert dead["left_out"] is False
    assert 0 < dead["dead"] < 8
    for name in ("report.html", "report.md"):
        text = " ".join((tmp_path / name).read_text(encoding="utf-8").split())
        assert (
            f"The whole chains are counted, with up to {dead['dead']} units in each that are dead at this point"
            in text
        )
    rows = list(csv.DictReader(io.StringIO((tmp_path / "report.csv").read_text(encoding="utf-8"))))
    assert {row["dead_units"] for row in rows} == {"kept"}


def test_orders_that_disagree_where_numbers_are_not_finite_are_told():
    chain = Chain([[[0.0]], [[1e200]], [[1e200]]])
    with np.errstate(all="ignore"):
        assert "The orders disagree" in str(compare(chain, measure=True, repeats=1))
        assert "disagree" not in str(compare(Chain([[[1.0]], [[2.0]]]), measure=True, repeats=1))


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda c: compare(c, "left"), TypeError, "strategies: found 'left', expected a list of strategies"),
        (lambda c: compare(c, 3), TypeError, "strategies: found 3, expected a list of strategies"),
        (
            lambda c: compare(c, repeats="3"),
            TypeError,
            "repeats: found '3', expected an integer of at least 1",
        ),
        (
            lambda c: compare(c, repeats=1.5),
            TypeError,
            "repeats: found 1.5, expected an integer of at least 1",
        ),
        (lambda c: compare(c, measure="no"), TypeError, "measure: found 'no', expected True or False"),
        (lambda c: c.plan(dead_units="no"), TypeError, "dead_units: found 'no', expected True or False"),
        (lambda c: c.plan(dead_units=[]), TypeError, r"dead_units: found \[\], expected True or False"),
        (lambda c: Chain.from_specs(3), TypeError, "specs: found int, expected a list of Specs"),
        (lambda c: Chain.from_shapes(3), TypeError, "shapes: found int, expected a list of shapes"),
        (lambda c: Chain([np.eye(2)], names="A"), TypeError, "names: found 'A', expected a list of texts"),
        (lambda c: Chain([np.eye(2)], names=[3]), TypeError, r"names: found \[3\], expected a list of texts"),
    ],
)
def test_calls_that_make_no_sense_get_a_sentence_of_ours(call, error, sentence):
    with pytest.raises(error, match=f"^{sentence}"):
        call(Chain.from_specs([Spec.dense(1, 2), Spec.dense(2, 3)]))


def test_a_report_that_is_not_right_is_false():
    class Wrong(ReLU):
        def derivative(self, x, wrt="input", **options):
            return 2.0 * super().derivative(x, wrt, **options)

    assert not report_network(Sequential(Affine(np.eye(2), None), Wrong()), [0.5, 1.0])
    assert report_network(Sequential(Affine(np.eye(2), None), ReLU()), [0.5, 1.0])
    assert backprop.__version__


HOSTILE = [
    "*a*", "**a**", "_a_", "__init__", "a_b_c", "`a`", "``", "[a](javascript:alert(1))", "![a](http://b)", "<b>a</b>",
    "&copy;", "&#65;", "a | b", "\\|", "\\*a\\*", "\\end{x}", "~~a~~", "<!-- a -->", "(2,) [0, 1]: 3", "~ 1/h", "a*b*c",
]  # fmt: skip


def read_by_markdown(line):
    """Return the text of a line of Markdown and the tokens that are no text, by a parser that isn't ours."""
    tokens = pytest.importorskip("markdown_it").MarkdownIt().enable(["table", "strikethrough"]).parse(line)
    inline = [token for token in tokens if token.type == "inline"]
    return [token.content for token in inline], [
        [(child.type, child.content) for child in token.children if child.content or child.type != "text"]
        for token in inline
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_hostile_texts_as_they_are_in_cells_and_headings(text):
    _, cells = read_by_markdown(markdown_table(["a", "b"], [[text, "x"]]))
    _, heading = read_by_markdown(f"# {markdown_text(text)}")
    for children in (cells[2], heading[0]):
        assert {kind for kind, _ in children} <= {"text", "text_special"}
        assert "".join(content for _, content in children) == text


@given(st.text("ab_*`[]()<>!&;#|\\~$ 1", min_size=1).filter(lambda text: text == text.strip()))
def test_markdown_shows_any_text_as_it_is(text):
    _, cells = read_by_markdown(markdown_table(["a", "b"], [[text, "x"]]))
    assert "".join(content for _, content in cells[2]) == text


def test_mathematics_in_markdown_begins_with_no_dollar_of_a_name():
    assert markdown_text("$x$ and $$y$$") == r"\$x\$ and \$\$y\$\$"


def test_a_table_of_latex_escapes_what_latex_would_read():
    text = latex_table(
        ["a_b", "n"],
        [["50% & $#{}~^\\", "1"], ["(A·B)·Cᵀ ⊗ I₁₂", Tex("$n^2$")]],
        numeric=(1,),
        caption="x & y",
    )
    assert text.splitlines()[2:] == [
        r"\caption{x \& y}",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"a\_b & n \\",
        r"\midrule",
        r"50\% \& \$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{} & 1 \\",
        r"(A$\cdot$B)$\cdot$C$^{\mathsf T}$ $\otimes$ I$_1$$_2$ & $n^2$ \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


# --- names of classes ----------------------------------------------------------------------------------------

ODD = "Odd\nX\x1b[31m\u202e"
OddTanh = type(ODD, (jacobians.Tanh,), {})
OddObject = type(ODD, (), {})


def _twice(self, x):
    return 2 * x


def _thrice(self, x, wrt="input"):
    return np.eye(x.size) * 3


OddLayer = type(ODD, (jacobians.Function,), {"forward": _twice, "derivative": _thrice})
ODD_NET = jacobians.Sequential(jacobians.Affine(np.eye(2)), OddTanh(), OddLayer())
SHOWN = {
    "repr": lambda: repr(ODD_NET),
    "residual": lambda: repr(jacobians.Residual(OddTanh())),
    "linearize": lambda: repr(ODD_NET.linearize([0.3, 0.4])),
    "check": lambda: str(verification.check(ODD_NET, [0.3, 0.4])),
    "diagnosis": lambda: str(verification.check(ODD_NET, [0.3, 0.4], np.eye(2)).diagnosis),
    "plan": lambda: str(Chain.from_network(ODD_NET, [0.3, 0.4]).plan("left")),
    "compare": lambda: str(compare(Chain.from_network(ODD_NET, [0.3, 0.4]))),
    "graph": lambda: str(jacobians.trace(ODD_NET, [0.3, 0.4]).plan("reverse")),
    "source": lambda: jacobians.trace(ODD_NET, [0.3, 0.4]).plan("reverse").to_source(),
}


@pytest.mark.parametrize("output", SHOWN)
def test_names_of_classes_are_printable_in_every_output(output):
    text = SHOWN[output]()
    assert all(line.isprintable() for line in text.split("\n"))
    assert "Odd\n" not in text


REFUSED = {
    "layers": lambda: jacobians.Sequential(OddObject()),
    "a class as a layer": lambda: jacobians.Sequential(OddObject),
    "W": lambda: jacobians.Affine(OddObject()),
    "f": lambda: verification.check(OddObject(), [0.3]),
    "a class as f": lambda: verification.check(OddObject, [0.3]),
    "factors": lambda: Chain([OddObject()]),
    "network": lambda: backprop.compile(OddObject()),
    "trace": lambda: jacobians.trace(OddObject(), [0.3]),
    "blocks": lambda: jacobians.structures.BlockDiagonal([OddObject()]),
    "wrt": lambda: ODD_NET.jacobian([0.3, 0.4], wrt=OddObject()),
}


@pytest.mark.parametrize("door", REFUSED)
def test_names_of_classes_are_printable_in_every_refusal(door):
    with pytest.raises((TypeError, ValueError)) as refusal:
        REFUSED[door]()
    assert str(refusal.value).isprintable()
