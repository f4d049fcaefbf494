"""The five files of a report: they parse, they say the same numbers, the page needs nothing from outside."""

import base64
import csv
import io
import json
import re
from collections import Counter
from html.parser import HTMLParser
from importlib.resources import files
from xml.etree import ElementTree

import jsonschema
import pytest

from backprop.report import Report, Settings, collect, report_texts, to_dict
from backprop.report.render import FILES, render_html
from backprop.report.write import CSV_FIELDS

STAGES: list[tuple[str, int, int]] = []
VOID = {"meta", "link", "img", "br", "hr", "input"}


@pytest.fixture(scope="module")
def report() -> Report:
    settings = Settings(layers=(64, 2, 10), epochs=1, batch=2)
    return collect(settings, lambda *stage: STAGES.append(stage))


@pytest.fixture(scope="module")
def texts(report) -> dict[str, str]:
    return report_texts(report)


@pytest.fixture(scope="module")
def data(texts) -> dict:
    return json.loads(texts["report.json"])


class Page(HTMLParser):
    """Collects what the tests ask about, and raises where a tag is not closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(texts) -> Page:
    return Page(texts["report.html"])


# --- what is said ----------------------------------------------------------------------------------------


def test_the_verdict_is_right_and_every_jacobian_is_there(report):
    assert report.passed
    assert [(own.layer, own.wrt) for own in report.checked] == [
        ("0.Affine", "input"), ("0.Affine", "W"), ("0.Affine", "b"), ("1.Tanh", "input"),
        ("2.Affine", "input"), ("2.Affine", "W"), ("2.Affine", "b"), ("SoftmaxCrossEntropy", "input"),
    ]  # fmt: skip


def test_every_derivative_is_there_at_one_point_and_at_two(report):
    titles = ["∂loss/∂input", "∂logits/∂input", "∂loss/∂0.W", "∂loss/∂0.b", "∂loss/∂2.W", "∂loss/∂2.b"]
    assert [own.title for own in report.derivatives if own.points == 1] == titles
    assert [own.title for own in report.derivatives if own.points == 2] == titles


def test_costs_of_two_points_are_twice_those_of_one(report):
    singles, several = report.derivatives[:6], report.derivatives[6:]
    for one, two in zip(singles, several, strict=True):
        for name in ("left", "right", "optimal"):
            assert two.comparison[name].cost == 2 * one.comparison[name].cost


def test_the_numbers_of_a_chain_by_hand(data):
    # (1×10)(10×2) diag(2) (2×64)
    left, right, optimal = data["derivatives"][0]["alternatives"]
    assert left["multiplications"] == optimal["multiplications"] == 10 * 2 + 2 + 2 * 64
    assert right["multiplications"] == 2 * 64 + 10 * 2 * 64 + 10 * 64
    assert left["tree"] == [[[0, 1], 2], 3]
    assert right["tree"] == [0, [1, [2, 3]]]
    assert right["peak_elements"] == 640


def test_progress_is_told_stage_by_stage_up_to_the_end(report):
    assert list(dict.fromkeys(stage for stage, _, _ in STAGES)) == [
        "training", "checks", "chains, 1 point", "chains, 2 points",
    ]  # fmt: skip
    ends = {stage: (done, total) for stage, done, total in STAGES}
    assert all(done == total for done, total in ends.values())


# --- JSON and CSV ----------------------------------------------------------------------------------------


def test_the_json_follows_its_schema(data):
    schema = json.loads((files("backprop.report") / "report.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(data, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data | {"verdict": "perhaps"}, schema)


def test_the_json_is_the_data(report, data):
    assert data == to_dict(report)


def test_counted_costs_equal_predicted_costs_in_every_row(data):
    rows = [row for own in data["derivatives"] for row in own["alternatives"]]
    assert len(rows) == 2 * 6 * 3
    for row in rows:
        assert row["counted_multiplications"] == row["multiplications"]
        assert row["counted_additions"] == row["additions"]
        assert row["flops"] == row["multiplications"] + row["additions"]
        assert sum(step["multiplications"] for step in row["steps"]) == row["multiplications"]


def test_csv_rows_are_the_numbers_of_the_json(texts, data):
    rows = list(csv.DictReader(io.StringIO(texts["report.csv"])))
    expected = [
        {"derivative": own["title"], "points": own["points"], **alternative}
        for own in data["derivatives"]
        for alternative in own["alternatives"]
    ]
    assert rows == [{field: str(row[field]) for field in CSV_FIELDS} for row in expected]


def test_the_same_seed_gives_the_same_numbers_but_for_times(report):
    def without_times(value):
        if isinstance(value, dict):
            return {key: without_times(own) for key, own in value.items() if key != "seconds"}
        if isinstance(value, str):
            return re.sub(r"\d+\.\d+ s\b", "… s", value)  # a remark says what took how long
        return [without_times(own) for own in value] if isinstance(value, list) else value

    again = collect(report.training.settings)
    assert without_times(to_dict(again)) == without_times(to_dict(report))
    # pictures show no times
    first, second = (Page(render_html(own)).all("img") for own in (report, again))
    assert first == second


# --- the page --------------------------------------------------------------------------------------------


def test_tags_are_balanced_and_names_unique(page):
    assert page.tags[0][0] == "html"
    ids = Counter(attributes["id"] for _, attributes in page.tags if "id" in attributes)
    assert set(ids.values()) == {1}


def test_nothing_is_loaded_from_outside(page, texts):
    for _, attributes in page.tags:
        assert "srcset" not in attributes
        for name in ("src", "href"):
            if name in attributes:
                assert attributes[name].startswith(("data:", "#"))
    assert {"iframe", "object", "embed"} & {tag for tag, _ in page.tags} == set()
    assert page.all("script") == [{}]  # the one that sorts, in the page itself
    assert "@import" not in texts["report.html"]
    assert "url(" not in texts["report.html"]


def test_every_picture_has_words_and_its_data_inside(page):
    pictures = page.all("img")
    # a digit, the training curve, eight Jacobians, two cost charts, and a tree or more a derivative
    assert len(pictures) >= 2 + 8 + 2 + 6
    for picture in pictures:
        assert len(picture["alt"]) > 15
        kind, content = picture["src"].split(",", 1)
        assert kind == "data:image/svg+xml;base64"
        svg = base64.b64decode(content).decode("utf-8")
        assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
        addresses = re.findall(r"(?:href|src)=\"([^\"]*)\"|url\(([^)]*)\)", svg)
        assert all(("".join(found)).startswith(("#", "data:")) for found in addresses)


def test_the_contents_lead_to_every_section(page):
    sections = [attributes["id"] for attributes in page.all("section")]
    links = [attributes["href"] for attributes in page.all("a")]
    assert links == [f"#{name}" for name in sections]
    assert "several" in sections


def test_the_page_says_the_conventions_the_verdict_and_every_exact_count(page, data):
    words = " ".join(" ".join(page.words).split())
    for sentence in data["conventions"].values():
        assert sentence in words
    assert "8 of 8 Jacobians of layers and 12 of 12 whole derivatives are right" in words
    for own in data["derivatives"]:
        for row in own["alternatives"]:
            assert f"{row['multiplications']:,}" in words


def test_pictures_of_structure_are_named(page):
    alts = [picture["alt"] for picture in page.all("img")]
    assert "Heat map of ∂(0.Affine)/∂W, 2 outputs by 128 inputs, structure I₂ ⊗ Dense 1×64" in alts
    assert any(
        alt.startswith("Errors of forward and central differences of the network's Jac") for alt in alts
    )
    assert (
        sum(alt.startswith("Heat map of the errors of ∂(") for alt in alts) == 1
    )  # all are right: of the worst
    assert any(alt.startswith("Training curve: the mean loss goes from") for alt in alts)
    assert any("∂loss/∂input: left 150, right 2,048, optimal 150" in alt for alt in alts)


def test_trees_of_long_chains_scroll(monkeypatch, report, page):
    assert [figure.get("class") for figure in page.all("figure")].count("wide") == 1  # the diagram
    monkeypatch.setattr("backprop.report.figures.LONG_CHAIN", 3)
    wide = [figure for figure in Page(render_html(report)).all("figure") if figure.get("class") == "wide"]
    assert len(wide) > 1
    assert all(figure["tabindex"] == "0" for figure in wide)


# --- Markdown --------------------------------------------------------------------------------------------


def test_the_markdown_has_whole_tables_and_every_section(texts):
    text = texts["report.md"]
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == [
        "Conventions", "Training", "Layers", "Checks", "Costs", "Bracketings", "2 points at once",
        "Data and environment",
    ]  # fmt: skip
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    assert len(tables) == 6
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
    assert "\n\n\n" not in text
    assert "└─ 0.Affine  Dense 2×64" in text


# --- what is not right -----------------------------------------------------------------------------------


def test_names_of_files(texts):
    assert tuple(texts) == FILES == ("report.html", "report.md", "report.tex", "report.json", "report.csv")


def test_a_wrong_jacobian_makes_the_report_wrong_and_is_explained(monkeypatch):
    from jacobians import Tanh
    from jacobians.structures import Diagonal

    right = Tanh.derivative
    monkeypatch.setattr(
        Tanh, "derivative", lambda self, x, *rest, **more: Diagonal(-right(self, x, *rest, **more).d)
    )
    report = collect(Settings(layers=(64, 2, 10), epochs=0))
    assert report.verdict == "wrong"
    [wrong] = [own for own in report.checked if not own.check.passed]
    assert wrong.title == "∂(1.Tanh)/∂input"
    assert report.derivatives[0].verdict == "wrong"
    assert report.derivatives[-1].verdict == "right"  # the bias of the last layer meets no Tanh
    texts = report_texts(report)
    assert '<p class="banner wrong">' in texts["report.html"]
    assert "No epoch was asked for" in texts["report.html"]
    assert "**Verdict: wrong.** 7 of 8 Jacobians" in texts["report.md"]
    Page(texts["report.html"])
    assert json.loads(texts["report.json"])["passed"] is False


def test_products_that_differ_or_costs_that_lie_are_wrong(report):
    from dataclasses import replace

    derivative = report.derivatives[0]
    assert replace(derivative, disagreement=1e-3).verdict == "wrong"
    assert replace(derivative, disagreement=float("nan")).verdict == "wrong"
    first, *rest = derivative.comparison.alternatives
    lying = replace(first, counted_additions=first.additions + 1)
    comparison = replace(derivative.comparison, alternatives=(lying, *rest))
    assert replace(derivative, comparison=comparison).verdict == "wrong"
    undecided = replace(derivative, check=replace(derivative.check, verdict="undecided"))
    assert undecided.verdict == "undecided"
    assert replace(report, derivatives=(undecided,)).verdict == "undecided"
