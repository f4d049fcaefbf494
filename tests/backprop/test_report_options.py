"""What a report can be asked for, several models side by side, and what is refused at each door."""

import csv
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise

import jsonschema
import numpy as np
import pytest

from backprop import Chain, compare
from backprop.cli import main
from backprop.report import Asked, Settings, collect, render_html, report_network, report_texts, to_dict
from backprop.report.asked import parse_asked
from backprop.report.machine import MatrixProduct
from backprop.report.several import several_dict, several_texts
from jacobians import Affine, Residual, Sequential, SquaredError, Tanh

RANDOM = np.random.default_rng(0)


def affine(n=4):
    return Affine(RANDOM.normal(size=(n, n)), np.zeros(n))


RESIDUAL = Sequential(affine(), Residual(Sequential(affine(), Tanh())), affine())
PATH = Sequential(affine(), Tanh(), affine())
X = np.array([0.3, -0.2, 0.5, 1.0])
HOSTILE = "<script>alert(1)</script> & $\\input{x}$ | `b` \\"


class Text(HTMLParser):
    """The words of a page, its tags, and the rows of its tables."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.words, self.rows = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        self.words.append(data)
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


# --- what is asked for -----------------------------------------------------------------------------------


def test_only_the_derivatives_and_orders_that_are_asked_for_are_there():
    report = report_network(PATH, X, asked=Asked(by=("0.W",), strategies=("right", "left")))
    assert [own.title for own in report.derivatives] == ["∂output/∂0.W"]
    assert [item.strategy for item in report.derivatives[0].comparison.alternatives] == ["right", "left"]
    page = Text(render_html(report))
    costs = [row for row in page.rows if row[0] == "∂output/∂0.W"]
    assert [row[1] for row in costs] == ["right", "left"]


def test_several_numbers_of_points_multiply_the_costs_and_have_sections():
    report = report_network(PATH, X, asked=Asked(points=(3, 1)))
    assert [own.points for own in report.derivatives] == [1] * 5 + [3] * 5
    for one, three in zip(report.derivatives[:5], report.derivatives[5:], strict=True):
        for item in one.comparison.alternatives:
            assert three.comparison[item.strategy].cost == 3 * item.cost
    assert report.passed
    page = Text(render_html(report))
    assert [own["id"] for tag, own in page.tags if tag == "section"][-2:] == ["several", "data"]
    assert "the point and 2 others near it" in " ".join(page.words)


def test_a_report_may_leave_one_point_out():
    report = report_network(PATH, X, asked=Asked(points=(2,)))
    assert {own.points for own in report.derivatives} == {2}
    texts = report_texts(report)
    assert "for 2 points at once" in texts["report.html"]


def test_the_digits_take_points_in_the_place_of_batch():
    settings = Settings(layers=(64, 10), epochs=0, asked=Asked(points=(1, 2), by=("input",)))
    assert [own.points for own in collect(settings).derivatives] == [1, 1, 2, 2]


def test_markowitz_is_compared_where_paths_meet_and_left_away_on_chains():
    report = report_network(RESIDUAL, X, asked=Asked(strategies=("left", "markowitz"), by=("input", "2.W")))
    found = {own.by: [item.strategy for item in own.comparison.alternatives] for own in report.derivatives}
    assert found == {"input": ["reverse", "markowitz"], "2.W": ["left"]}
    assert report.passed
    with pytest.raises(
        ValueError, match=r"^strategies: found 'markowitz' alone for a chain, in which no paths meet"
    ):
        report_network(PATH, X, asked=Asked(strategies=("markowitz",)))


def brute_force(chain, objective):
    def trees(first, last):
        if first == last:
            yield first
        for split in range(first, last):
            for left in trees(first, split):
                for right in trees(split + 1, last):
                    yield left, right

    plans = [chain.plan(tree) for tree in trees(0, len(chain) - 1)]
    value = {
        "multiplications": lambda plan: plan.cost.multiplications,
        "additions": lambda plan: plan.cost.additions,
        "flops": lambda plan: plan.cost.flops,
        "peak": lambda plan: plan.peak_elements,
    }[objective]
    return min(map(value, plans)), value


@pytest.mark.parametrize("objective", ["multiplications", "additions", "flops", "peak"])
def test_optimal_is_the_least_of_all_bracketings_in_the_objective(objective):
    random = np.random.default_rng(7)
    for _ in range(12):
        sizes = random.integers(1, 9, 6)
        chain = Chain.from_shapes([(int(m), int(n)) for m, n in pairwise(sizes)])
        least, value = brute_force(chain, objective)
        assert value(chain.plan("optimal", objective=objective)) == least


def test_an_objective_changes_the_order_and_is_said():
    chain = Chain.from_shapes([(1, 9), (9, 2), (2, 9)])
    found = compare(chain, objective="peak")
    assert "Optimal is the order with the least peak." in str(found)
    assert found.to_dict()["objective"] == "peak"
    report = report_network(PATH, X, asked=Asked(objective="peak"))
    for text in (render_html(report), report_texts(report)["report.md"]):
        assert "In this report optimal has the least stored numbers in its largest intermediate." in text


def test_title_and_author_stand_above_and_are_escaped_everywhere():
    report = report_network(PATH, X, title=HOSTILE, asked=Asked(heading=HOSTILE, author=HOSTILE))
    texts = report_texts(report)
    page = Text(texts["report.html"])
    assert [own for tag, own in page.tags if tag == "script"] == [{}]
    assert page.words.count(HOSTILE) >= 2
    for form in ("report.md", "report.tex"):
        assert not re.search(r"(?<!\\)<script>", re.sub(r"`[^`\n]*`", "", texts[form]))
    assert r"\input" not in texts["report.tex"]
    assert r"\$\textbackslash{}input\{x\}\$" in texts["report.tex"]
    asked = json.loads(texts["report.json"])["asked"]
    assert (asked["title"], asked["author"]) == (HOSTILE, HOSTILE)


@pytest.mark.parametrize("asked", [Asked(points=(1, 2)), Asked(strategies=("optimal",), objective="flops")])
def test_the_json_follows_its_schema_whatever_is_asked_for(asked):
    schema = json.loads((files("backprop.report") / "report.schema.json").read_text(encoding="utf-8"))
    for network in (PATH, RESIDUAL):
        jsonschema.validate(to_dict(report_network(network, X, asked=asked)), schema)


def test_a_loss_for_one_target_takes_no_several_points():
    with pytest.raises(
        ValueError, match=r"^points: found 2 with a loss that is made for one target, expected 1; leave"
    ):
        report_network(PATH, X, SquaredError(np.zeros(4)), asked=Asked(points=(2,)))


# --- measured times --------------------------------------------------------------------------------------


def test_distance_is_the_measured_time_over_that_of_as_many_multiplications():
    product = MatrixProduct(10, 1e-3)  # a million multiplications a second
    assert product.distance(500, 0.002) == pytest.approx(0.002 / 0.0005)
    assert product.distance(0, 1.0) is None
    report = report_network(PATH, X)
    rows = [row for row in Text(render_html(report)).rows if row[0] == "∂output/∂input"]
    assert len(rows) == 3
    for row, item in zip(rows, report.derivatives[0].comparison.alternatives, strict=True):
        expected = item.seconds / (item.multiplications * report.product.seconds / report.product.size**3)
        assert float(row[9].replace("×", "").replace(",", "")) == pytest.approx(expected, rel=0.01)


# --- several models --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair():
    return {"a path": report_network(PATH, X), HOSTILE: report_network(RESIDUAL, X)}


def test_models_stand_side_by_side_with_every_cost(pair):
    texts = several_texts(pair, folders=True)
    page = Text(texts["report.html"])
    assert [own["href"] for tag, own in page.tags if tag == "a"] == [
        "model-1/report.html",
        "model-2/report.html",
    ]
    assert [own for tag, own in page.tags if tag == "script"] == [{}]
    for name, report in pair.items():
        rows = [row for row in page.rows if row[0] == name and len(row) == 10]
        expected = [
            (own.title, item.strategy, f"{item.multiplications:,}")
            for own in report.derivatives
            for item in own.comparison.alternatives
        ]
        assert [(row[1], row[3], row[4]) for row in rows] == expected
    assert sum(tag == "svg" for tag, _ in page.tags) == 2
    rows = list(csv.DictReader(io.StringIO(texts["report.csv"])))
    assert {row["model"] for row in rows} == set(pair)
    assert r"\input" not in texts["report.tex"]


def test_the_json_of_several_models_follows_both_schemas(pair):
    data = several_dict(pair)
    several, one = (
        json.loads((files("backprop.report") / name).read_text(encoding="utf-8"))
        for name in ("reports.schema.json", "report.schema.json")
    )
    jsonschema.Draft202012Validator.check_schema(several)
    jsonschema.validate(data, several)
    for model in data["models"]:
        jsonschema.validate(model, one)


def test_one_wrong_model_makes_all_of_it_wrong(pair, monkeypatch):
    from jacobians.structures import Diagonal

    right = Tanh.derivative
    monkeypatch.setattr(
        Tanh, "derivative", lambda self, x, *rest, **more: Diagonal(-right(self, x, *rest, **more).d)
    )
    wrong = {**pair, "wrong": report_network(PATH, X)}
    assert several_dict(wrong)["verdict"] == "wrong"
    assert "2 of 3 models are right" in several_texts(wrong)["report.html"]


def test_no_reports_are_refused():
    with pytest.raises(ValueError, match=r"^reports: found none, expected at least one$"):
        several_texts({})


def test_the_command_writes_a_comparison_and_a_report_for_each(tmp_path, capsys):
    (tmp_path / "own.py").write_text(
        "import numpy as np\nfrom jacobians import Affine, Sequential, Tanh\n"
        "one = Sequential(Affine(np.eye(2)), Tanh())\ntwo = Tanh()\n",
        encoding="utf-8",
    )
    path = tmp_path / "own.py"
    arguments = ["report", "--network", f"{path}:one", "--network", f"{path}:two", "--at", "[0.5, 1.0]"]
    assert main([*arguments, "--title", "Two nets", "--output", str(tmp_path / "out"), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [model["name"] for model in data["models"]] == [f"{path}:one", f"{path}:two"]
    assert data["title"] == "Two nets"
    names = {"report.html", "report.md", "report.tex", "report.json", "report.csv"}
    assert {own.name for own in (tmp_path / "out").iterdir()} == names | {"model-1", "model-2"}
    assert {own.name for own in (tmp_path / "out" / "model-2").iterdir()} == names
    assert main([*arguments, "--output", str(tmp_path / "out"), "--by", "0.W"]) == 2
    sentence = capsys.readouterr().err.strip()
    assert sentence == (
        "backprop report: --by: found '0.W', expected input or a parameter, of which there are none; "
        f"found in {path}:two"
    )


# --- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--points", "0"], "--points: found 0, expected an integer of at least 1"),
        (
            ["--points", "x"],
            "--points: found 'x', expected whole numbers with commas between; write 1,32, say",
        ),
        (["--points", "1,1"], "--points: found 1 twice, expected each once; leave it out"),
        (["--points", ""], "--points: found '', expected something before and behind each comma"),
        (["--points", "9999"], "--points: found 9999, expected an integer of at most 4096"),
        (
            ["--points", "361"],
            "--points: found 361, expected at most 360, the digits that training does not see",
        ),
        (
            ["--points", "4", "--batch", "3"],
            "--points: found with batch, expected one of them; write points alone",
        ),
        (
            ["--by", "7.W", "--layers", "64,10"],
            "--by: found '7.W', expected input or a parameter, 0.W, 0.b; did you mean '0.W'?",
        ),
        (["--by", "0.W,"], "--by: found '0.W,', expected something before and behind each comma"),
        (
            ["--strategies", "best"],
            "--strategies: found 'best', expected names out of left, right, optimal, reverse, forward, markowitz",
        ),
        (
            ["--objective", "flop"],
            "--objective: found 'flop', expected one of 'multiplications', 'additions', 'flops', 'peak'; "
            "did you mean 'flops'?",
        ),
        (["--title", "a\nb"], r"--title: found 'a\nb', expected one line of at most 200 printable letters"),
        (
            ["--author", "x" * 201],
            "--author: found 201 letters, expected one line of at most 200 printable letters",
        ),
        (
            ["--layers", "64,10", "--layers", "64,2,10", *["--activation", "tanh"] * 3],
            "--layers: found 2 beside 3 of --activation, expected 1 or 3; repeat it for each",
        ),
    ],
)
def test_a_wrong_option_gets_one_sentence_and_exit_status_2(capsys, tmp_path, arguments, sentence):
    assert main(["report", "--epochs", "0", "--output", str(tmp_path / "out"), *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"backprop report: {sentence}\n")
    assert not (tmp_path / "out").exists()


def test_options_are_judged_for_python_too():
    for options, sentence in (
        ({"points": 3}, "points: found 3, expected numbers of points such as"),
        ({"points": (True,)}, "points: found True"),
        ({"by": (3,)}, "by: found 3, expected input or names of parameters such as 0.W"),
        ({"by": "input"}, "by: found 'input'"),
        ({"strategies": ()}, "strategies: found none, expected names out of left"),
        ({"objective": "speed"}, "objective: found 'speed', expected one of"),
        ({"heading": 3}, "title: found 3, expected a text"),
    ):
        with pytest.raises((TypeError, ValueError), match=f"^{re.escape(sentence)}"):
            Asked(**options)
    assert parse_asked(by="input, 0.W").by == ("input", "0.W")


# --- LaTeX -----------------------------------------------------------------------------------------------


def assert_whole(document):
    """Raise unless braces and environments are closed in the order in which they were opened."""
    text = re.sub(r"\\[\\{}%&$#_]", "", document)
    depth = 0
    for letter in text:
        depth += (letter == "{") - (letter == "}")
        assert depth >= 0
    assert depth == 0
    opened = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []


@pytest.fixture(scope="module")
def documents(pair):
    hostile = report_network(
        RESIDUAL, X, title=HOSTILE + "Ωé字🙂", asked=Asked(author="Zoë ∂ß_1", points=(1, 2))
    )
    return {"one": report_texts(hostile)["report.tex"], "several": several_texts(pair)["report.tex"]}


def test_the_document_is_whole_and_has_every_cost(documents, pair):
    for document in documents.values():
        assert_whole(document)
        assert document.isprintable() or "\n" in document
    for report in pair.values():
        for own in report.derivatives:
            for item in own.comparison.alternatives:
                assert f"& {item.multiplications:,} &" in documents["several"]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex is here")
@pytest.mark.parametrize("name", ["one", "several"])
def test_the_document_compiles(documents, tmp_path, name):
    (tmp_path / "report.tex").write_text(documents[name], encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "report.tex"],
        cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1500:]
    assert (tmp_path / "report.pdf").read_bytes()[:5] == b"%PDF-"
