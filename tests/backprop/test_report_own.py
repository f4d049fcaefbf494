"""The report on a network of one's own: layers of one's own in it, any loss or none, no digits and no training."""

import csv
import inspect
import io
import json
import re
import sys
from importlib.resources import files
from typing import Any

import jsonschema
import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy_programs import PROGRAMS

from backprop import Chain
from backprop.report import Report, render_html, report_network, report_texts, to_dict
from jacobians import (
    Affine,
    Function,
    Jacobian,
    LogDeterminant,
    QuadraticForm,
    ReLU,
    Residual,
    Sequential,
    SquaredError,
    Tanh,
    Transpose,
    from_numpy,
)
from jacobians.structures import Dense, Diagonal

X = [0.5, -1.0, 2.0]


class Cubic(Function):
    """y = a·x³, entry by entry: an author's layer with a parameter."""

    parameter_names = ("a",)

    def __init__(self, a):
        self.a = self.parameter(a, "a", ndim=0)

    def forward(self, x):
        return self.a * x**3

    def derivative(self, x, wrt="input"):
        if wrt == "a":
            return Dense(x.reshape(-1, 1) ** 3, in_shape=())
        return self.by_input(x)

    def by_input(self, x) -> Jacobian:
        return Diagonal(3 * self.a * x**2)


class WrongCubic(Cubic):
    def by_input(self, x):
        return Diagonal(2 * self.a * x**2)


class WideCubic(Cubic):
    def by_input(self, x):
        return Dense(np.ones((x.size, x.size + 1)))


class RaggedCubic(Cubic):
    def by_input(self, x):
        return np.ones((x.size, 7))


def network(cubic: type[Cubic] = Cubic, dtype: type = np.float64) -> Sequential:
    random = np.random.default_rng(0)
    first, last = random.standard_normal((4, 3)).astype(dtype), random.standard_normal((2, 4)).astype(dtype)
    return Sequential(Affine(first, np.zeros(4, dtype)), cubic(dtype(0.5)), Affine(last))


@pytest.fixture(scope="module")
def report() -> Report:
    return report_network(network(), X, SquaredError([1.0, 0.0]), title="cubes & <squares>")


@pytest.fixture(scope="module")
def texts(report) -> dict[str, str]:
    return report_texts(report)


@pytest.fixture(scope="module")
def schema() -> dict:
    return json.loads((files("backprop.report") / "report.schema.json").read_text(encoding="utf-8"))


# --- what is said ----------------------------------------------------------------------------------------


def test_an_authors_layer_is_checked_and_costed_like_any_other(report):
    assert report.passed
    assert [own.title for own in report.checked] == [
        "∂(0.Affine)/∂input", "∂(0.Affine)/∂W", "∂(0.Affine)/∂b", "∂(1.Cubic)/∂input", "∂(1.Cubic)/∂a",
        "∂(2.Affine)/∂input", "∂(2.Affine)/∂W", "∂(SquaredError)/∂input",
    ]  # fmt: skip
    assert [own.title for own in report.derivatives] == [
        "∂loss/∂input", "∂output/∂input", "∂loss/∂0.W", "∂loss/∂0.b", "∂loss/∂1.a", "∂loss/∂2.W",
    ]  # fmt: skip
    # (1×2)(2×4) diag(4) (4×3) from the left, and from the right
    items = report.derivatives[0].comparison
    assert items["left"].multiplications == 1 * 2 * 4 + 4 + 4 * 3
    assert items["right"].multiplications == 4 * 3 + 2 * 4 * 3 + 1 * 2 * 3
    assert all(own.counted for own in report.derivatives)
    assert report.loss == pytest.approx(float(SquaredError([1.0, 0.0])(network()(X))))


def test_without_a_loss_the_derivatives_are_those_of_the_output():
    report = report_network(network(), X)
    assert report.passed
    assert report.loss is None
    titles = ["∂output/∂input", "∂output/∂0.W", "∂output/∂0.b", "∂output/∂1.a", "∂output/∂2.W"]
    assert [own.title for own in report.derivatives] == titles
    texts = report_texts(report)
    assert "none was given: the derivatives are those of the output" in texts["report.html"]
    assert "where the loss is" not in texts["report.html"] + texts["report.md"]
    assert json.loads(texts["report.json"])["point"]["loss"] is None


@pytest.mark.parametrize(
    ("function", "x", "layers", "derivatives"),
    [
        (Cubic(2.0), X, ["Cubic"], ["∂output/∂input", "∂output/∂a"]),
        (Tanh(), 0.5, ["Tanh"], ["∂output/∂input"]),
        (Residual(Cubic(0.2)), X, ["Residual"], ["∂output/∂input", "∂output/∂0.a"]),
        (
            Sequential(Transpose(), LogDeterminant()), [[2.0, 0.3], [0.1, 1.0]],
            ["0.Transpose", "1.LogDeterminant"], ["∂output/∂input"],
        ),
        (QuadraticForm([[2.0, 0.3], [0.1, 1.0]]), [1.0, 2.0], ["QuadraticForm"], None),
        (
            Sequential(Sequential(Tanh(), Cubic(1.0)), Tanh()), X,
            ["0.Sequential", "1.Tanh"], ["∂output/∂input", "∂output/∂0.1.a"],
        ),
    ],
    ids=["one layer", "scalar", "branches", "matrix", "form", "nested"],
)  # fmt: skip
def test_any_function_has_a_report(function, x, layers, derivatives, schema):
    report = report_network(function, x)
    assert report.passed
    assert [layer.name for layer in report.layers] == layers
    assert derivatives is None or [own.title for own in report.derivatives] == derivatives
    jsonschema.validate(json.loads(report_texts(report)["report.json"]), schema)


def test_a_layer_in_two_places_has_one_parameter():
    shared = Cubic(0.3)
    report = report_network(Sequential(shared, Tanh(), shared), X)
    assert report.passed
    assert [own.title for own in report.derivatives] == ["∂output/∂input", "∂output/∂0.a"]


def test_float32_is_judged_as_float32():
    single = np.array(X, dtype=np.float32)
    report = report_network(network(dtype=np.float32), single, SquaredError(np.float32([1.0, 0.0])))
    assert report.passed
    assert {own.tolerance for own in report.derivatives} == {1e-4}
    assert {own.tolerance for own in report_network(Tanh(), X).derivatives} == {1e-9}


def test_a_kink_is_undecided():
    report = report_network(Sequential(ReLU(), Affine(np.ones((2, 3)))), [0.0, 1.0, 2.0])
    assert report.verdict == "undecided"
    assert not report.passed


def test_nan_never_passes():
    report = report_network(Cubic(1.0), [np.nan, 1.0])
    assert report.verdict == "wrong"
    texts = report_texts(report)
    assert json.loads(texts["report.json"])["point"]["values"] == [None, 1.0]
    assert "(not finite, 1)" in texts["report.md"]


def test_a_wrong_layer_is_found_and_explained(schema):
    report = report_network(network(WrongCubic), X, SquaredError([1.0, 0.0]))
    assert report.verdict == "wrong"
    [wrong] = [own for own in report.checked if not own.check.passed]
    assert wrong.title == "∂(1.WrongCubic)/∂input"
    assert wrong.check.diagnosis is not None
    verdicts = {own.by: own.verdict for own in report.derivatives}
    assert (verdicts["0.W"], verdicts["1.a"], verdicts["2.W"]) == ("wrong", "right", "right")
    texts = report_texts(report)
    assert '<p class="banner wrong">' in texts["report.html"]
    assert "**Verdict: wrong.** 7 of 8 Jacobians" in texts["report.md"]
    assert (
        "Heat map of the errors of ∂(1.WrongCubic)/∂input, which is wrong; a ring marks"
        in texts["report.html"]
    )
    assert texts["report.html"].count("Heat map of the errors of") == 1
    jsonschema.validate(json.loads(texts["report.json"]), schema)


# --- files -----------------------------------------------------------------------------------------------


def test_the_json_follows_the_schema_and_has_neither_data_nor_training(report, texts, schema):
    data = json.loads(texts["report.json"])
    jsonschema.validate(data, schema)
    assert data == to_dict(report)
    assert {"settings", "data", "training"} & set(data) == set()
    assert data["point"] == {"shape": [3], "values": X, "loss": report.loss}
    assert data["network"] == {"title": "cubes & <squares>", "parameters": 25}
    with pytest.raises(jsonschema.ValidationError, match="dependency"):
        jsonschema.validate(data | {"training": {}}, schema)


def test_csv_has_a_line_a_derivative_and_order(texts):
    assert len(list(csv.DictReader(io.StringIO(texts["report.csv"])))) == 6 * 3


def test_page_and_markdown_speak_of_the_point_and_not_of_digits(texts):
    for name in ("report.html", "report.md"):
        assert "digit" not in texts[name]
        assert "trained" not in texts[name]
        assert "(0.5, -1, 2)" in texts[name]
    assert "cubes &amp; &lt;squares&gt;" in texts["report.html"]
    assert "<squares>" not in texts["report.html"]
    headings = re.findall(r"^## (.*)$", texts["report.md"], re.MULTILINE)
    assert headings == [
        "Conventions", "Point", "Layers", "Checks", "Costs", "Bracketings", "Environment",
    ]  # fmt: skip
    assert "\n\n\n" not in texts["report.md"]
    sections = re.findall(r'<section id="(.*?)"', texts["report.html"])
    assert re.findall(r'<a href="#(.*?)"', texts["report.html"]) == sections


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (2.0, "taken at 2."),
        ([[1.0, 2.0], [3.0, 4.0]], "taken at (1, 2, 3, 4) of shape 2×2, row by row."),
        (np.arange(9.0), "taken at (0, 1, 2, 3, 4, 5, 6, 7, …) of shape 9, row by row."),
    ],
)
def test_points_are_named_with_their_shape(x, said):
    assert said in report_texts(report_network(Tanh(), x))["report.md"]


def test_files_are_written_where_this_is_asked_for(tmp_path):
    report_network(Tanh(), X, output=tmp_path / "new")
    names = ["report.csv", "report.html", "report.json", "report.md", "report.tex"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == names


def test_a_place_that_is_taken_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").write_text("kept", encoding="utf-8")
    told: list[str] = []
    with pytest.raises(OSError, match="expected a directory; choose another"):
        report_network(Tanh(), X, output=tmp_path / "file", tick=lambda stage, *rest: told.append(stage))
    assert told == []


def test_a_long_title_is_cut():
    report = report_network(Sequential(*[Tanh()] * 60), X)
    assert len(report.title) == 200
    assert report.title.endswith("…")
    assert render_html(report)


# --- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "kind", "sentence"),
    [
        ((Cubic, X), TypeError, "network: found the class Cubic, expected an instance of jacobians.Function"),
        ((np.tanh, X), TypeError, "network: found ufunc, expected an instance of jacobians.Function"),
        ((Tanh(), X, 3.0), TypeError, "loss: found float, expected an instance of jacobians.Function"),
        ((Tanh(), X, Tanh()), ValueError, "loss: found a value of shape (3,), expected a scalar"),
        (
            (Sequential(Tanh(), WideCubic(1.0)), X), ValueError,
            "1.WideCubic by input: WideCubic.derivative by input: found shape (3, 4), expected (3, 3), the sizes of "
            "forward(x) (3,) and of input (3,)",
        ),
        (
            (Sequential(Tanh(), RaggedCubic(1.0)), X), ValueError,
            "1.RaggedCubic by input: RaggedCubic.derivative by input: found shape (3, 7), expected (3, 3), "
            "the sizes of forward(x) (3,) and of input (3,)",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_reported_on_is_refused(arguments, kind, sentence):
    with pytest.raises(kind) as error:
        report_network(*arguments)
    assert str(error.value) == sentence


def test_a_network_too_large_to_check_is_refused(monkeypatch):
    module = sys.modules[report_network.__globals__["collect_network"].__module__]
    monkeypatch.setattr(module, "MOST_PARAMETERS", 24)
    with pytest.raises(
        ValueError, match="network: found 25 parameters, expected at most 24, for each is checked"
    ):
        report_network(network(), X)


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_of_textbooks_are_reported_by_every_argument(name: str) -> None:
    program, x, *rest = PROGRAMS[name]

    def one_array(x: Any, **named: Any) -> Any:
        value = program(x, **named)
        return np.concatenate(value) if isinstance(value, tuple) else value

    named = dict(zip(list(inspect.signature(program).parameters)[1:], rest, strict=True))
    function = from_numpy(one_array, named)
    report = report_network(function, x)
    assert [own.title for own in report.derivatives] == [
        f"∂output/∂{argument}" for argument in ("input", *named)
    ]
    for own, at in zip(report.derivatives, (x, *rest), strict=True):
        assert own.verdict == "right"
        assert own.counted  # the cost of each run is what its plan said
        argument = own.title.partition("∂output/∂")[2]
        plan = Chain.from_network(function, x, by=argument).plan("reverse")
        step = np.zeros(np.shape(at))
        step.flat[0] = 1e-6
        ends = [
            one_array(x + sign * step, **named)
            if argument == "input"
            else one_array(x, **{**named, argument: at + sign * step})
            for sign in (1, -1)
        ]
        assert_allclose(
            plan.execute().jacobian.dense()[:, 0], np.ravel(ends[0] - ends[1]) / 2e-6, rtol=1e-5, atol=1e-7
        )
