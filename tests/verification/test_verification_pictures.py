"""Pictures of checks: step curves, error maps, and the map in the report of a wrong candidate."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import verification
from jacobians import Softmax
from verification import Picture, check, error_map, pictures, step_curve, step_errors

ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(5)
A = RNG.normal(size=(3, 4))
X = RNG.normal(size=4)


def layer(x):
    return np.tanh(A @ x)


def layer_jacobian(x):
    return (1 - np.tanh(A @ x) ** 2)[:, None] * A


def wrong_report():
    J = layer_jacobian(X)
    J[1, 2] *= -1
    return replace(check(layer, X, J), candidate=J)


def is_svg(svg: str) -> bool:
    return ElementTree.fromstring(svg).tag.endswith("svg")


# --- step curves -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_errors_make_a_v_with_its_lowest_point_near_the_default_step(dtype):
    W = A.astype(dtype)
    errors = step_errors(lambda x: np.tanh(W @ x), X.astype(dtype))
    eps = np.finfo(dtype).eps
    assert errors.reference == "the complex step"
    for values, default in ((errors.forward, eps**0.5), (errors.central, eps ** (1 / 3))):
        best = errors.steps[np.nanargmin(values)]
        assert default / 30 < best < default * 30
        assert values[0] > 100 * np.nanmin(values)
        assert values[np.flatnonzero(np.isfinite(values))[-1]] > 100 * np.nanmin(values)
    assert np.nanmin(errors.central) < np.nanmin(errors.forward)


@pytest.mark.parametrize("x", [[np.nan, 1.0], [np.inf, 1.0], [800.0, 1.0]])
def test_there_is_no_curve_where_x_or_f_is_not_finite(x):
    with pytest.raises(
        ValueError, match=r"^x: found a point where x or f\(x\) is not finite, expected finite numbers"
    ):
        step_errors(np.exp, x)


def test_truncation_has_order_1_and_2():
    errors = step_errors(np.exp, [0.3, 1.0])
    inside = slice(4, 12)
    for values, order in ((errors.forward, 1), (errors.central, 2)):
        slope = np.polyfit(np.log(errors.steps[inside]), np.log(values[inside]), 1)[0]
        assert slope == pytest.approx(order, abs=0.05)


def test_code_that_cannot_be_traced_is_compared_with_the_extrapolation_or_with_what_is_given():
    M = np.diag([1.0, 2.0, 4.0])
    errors = step_errors(np.linalg.eigvalsh, M)
    assert errors.reference == "Richardson's extrapolation"
    assert 0 < errors.resolution < 1e-6
    assert step_errors(np.sin, X, jacobian=np.diag(np.cos(X))).reference == "the given Jacobian"


def test_a_function_by_a_parameter_has_a_curve():
    from jacobians import Affine

    assert np.nanmin(step_errors(Affine(A, np.zeros(3)), X, "W").central) < 1e-9


def test_a_curve_that_makes_no_sense_is_refused():
    with pytest.raises(
        ValueError, match=r"^f: found a Jacobian at x whose largest entry is 0\.0, expected a finite"
    ):
        step_errors(lambda x: 0 * x, X)
    with pytest.raises(ValueError, match=r"^jacobian: found shape \(4, 3\), expected \(3, 4\)$"):
        step_errors(layer, X, jacobian=np.zeros((4, 3)))
    with pytest.raises(
        ValueError, match=r"^x: found a Jacobian of 3000×3000 entries, expected from 1 to 4,194,304"
    ):
        step_errors(Softmax(), np.ones(3000))


def test_a_step_curve_is_svg_in_the_colours_of_the_page(tmp_path):
    drawn = step_curve(layer, X)
    assert is_svg(drawn.svg)
    for words in (
        "forward: truncation ~ h",
        "central: truncation ~ h²",
        "rounding ~ 1/h",
        "ring: the default step",
    ):
        assert words in drawn.svg
    assert "currentColor" in drawn.svg
    assert "prefers-color-scheme:dark" in drawn.svg
    assert "<style>svg{" not in drawn.inline
    assert drawn._repr_svg_() == drawn.svg == step_curve(layer, X).svg
    assert drawn._repr_html_() == f"<figure>{drawn.inline}</figure>"
    assert drawn.save(tmp_path / "curve.svg").read_text(encoding="utf-8") == drawn.svg


# --- error maps ------------------------------------------------------------------------------------------


def test_an_error_map_marks_the_worst_entry_with_both_values():
    J = layer_jacobian(X)
    wrong = J.copy()
    wrong[2, 1] += 1.0
    svg = error_map(wrong, J).svg
    assert is_svg(svg)
    assert 'id="worst"' in svg
    assert f"worst [2, 1]: found {wrong[2, 1]:.6g}, expected {J[2, 1]:.6g}" in svg
    assert "worst [0, 3]" in error_map(wrong, J, worst=(0, 3)).svg


@pytest.mark.parametrize(
    ("candidate", "expected", "worst"),
    [
        ([[1.0]], [[1.0]], "[0, 0]"),
        ([[0.0, 1.0]], [[0.0, 0.0]], "[0, 1]"),
        ([[1.0], [np.nan], [2.0]], [[1.0], [1.0], [1.0]], "[1, 0]"),
        ([[1e300, -1e300]], [[-1e300, -1e300]], "[0, 0]"),
        ([[1e-300, 1e-300]], [[1e-300, 2e-300]], "[0, 1]"),
    ],
)
def test_extreme_matrices_are_drawn(candidate, expected, worst):
    svg = error_map(candidate, expected).svg
    assert is_svg(svg)
    assert f"worst {worst}:" in svg


def test_a_large_map_is_bounded_and_its_single_wrong_entry_is_seen():
    J = RNG.normal(size=(1000, 3000))
    wrong = J.copy()
    wrong[701, 2003] *= 2
    svg = error_map(wrong, J).svg
    assert len(svg) < 500_000
    assert "worst [701, 2003]" in svg
    pooled = pictures._pooled(np.abs(wrong - J))
    assert pooled.shape[0] <= 256
    assert pooled.shape[1] <= 512
    assert (pooled > 0).sum() == 1


def test_what_is_no_pair_of_matrices_is_refused():
    with pytest.raises(
        ValueError, match=r"^candidate, expected: found the shapes \(3,\) and \(3,\), expected two equal"
    ):
        error_map(np.ones(3), np.ones(3))
    with pytest.raises(ValueError, match=r"found the shapes \(1, 3\) and \(3, 1\)"):
        error_map(np.ones((1, 3)), np.ones((3, 1)))
    with pytest.raises(
        ValueError, match=r"^worst: found \(2, 0\), expected an index of a matrix of shape \(1, 3\)$"
    ):
        error_map(np.ones((1, 3)), np.zeros((1, 3)), worst=(2, 0))


# --- in reports ------------------------------------------------------------------------------------------


def test_the_report_of_a_wrong_candidate_shows_the_table_and_the_map():
    report = wrong_report()
    text = report._repr_html_()
    assert "<table>" in text
    assert "worst [1, 2]: found" in text
    assert report.picture().inline in text


def test_the_report_of_a_right_candidate_shows_the_table_alone():
    report = replace(check(layer, X, layer_jacobian), candidate=layer_jacobian(X))
    assert "<svg" not in report._repr_html_()
    assert is_svg(report.picture().svg)  # rounding errors, for those who ask


def test_the_report_of_an_undecided_candidate_shows_the_picture_too():
    report = check(lambda x: np.maximum(x, 0), [0.0, 1.0], np.eye(2))
    assert report.verdict == "undecided"
    assert "worst [" in report._repr_html_()


def test_a_report_without_matrices_has_no_picture():
    report = check(lambda x: x[:0], X, np.empty((0, 4)))
    assert "<svg" not in report._repr_html_()
    with pytest.raises(ValueError, match=r"^picture: found no matrix to compare with"):
        report.picture()


def test_without_matplotlib_the_table_is_shown_and_pictures_are_refused(monkeypatch):
    monkeypatch.setattr(pictures, "find_spec", lambda name: None)
    monkeypatch.setattr("verification.optional_packages.find_spec", lambda name: None)
    text = wrong_report()._repr_html_()
    assert "<table>" in text
    assert "<svg" not in text
    for draw in (lambda: step_curve(layer, X), lambda: error_map([[1.0]], [[2.0]]), wrong_report().picture):
        with pytest.raises(
            ImportError, match=r"^found no matplotlib, expected an installed package; run pip install"
        ):
            draw()


def test_numbers_of_a_curve_need_no_matplotlib():
    code = "import sys, numpy, verification as v; v.step_errors(numpy.sin, 1.0); print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert {"Picture", "StepErrors", "error_map", "step_curve", "step_errors"} <= set(verification.__all__)


def test_a_picture_of_no_text_is_refused_by_name():
    for junk in (3, None, b"<svg/>"):
        with pytest.raises(TypeError, match=r"^svg: found .*, expected an instance of str$"):
            Picture(junk)


def test_labels_of_logarithmic_axes_are_letters_and_no_formulas(monkeypatch):
    from matplotlib.mathtext import MathTextParser

    def parse(*given, **named):
        raise AssertionError("a formula, which takes long to read")

    monkeypatch.setattr(MathTextParser, "parse", parse)
    assert ">10⁻⁸<" in step_curve(layer, X).svg
    J = layer_jacobian(X)
    assert ">10⁻⁴<" in error_map(J * (1 + np.geomspace(1e-7, 1e-2, J.size).reshape(J.shape)), J).svg
