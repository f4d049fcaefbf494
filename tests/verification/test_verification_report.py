"""The report of a check: as an assertion, as text, as HTML, as JSON."""

import json

import numpy as np
import pytest

import verification
from verification import assert_jacobian, check
from verification.report import COLOURS

RNG = np.random.default_rng(12)
A = RNG.normal(size=(3, 4))
X = RNG.normal(size=4)


def layer(x):
    return np.tanh(A @ x)


def layer_jacobian(x):
    return (1 - np.tanh(A @ x) ** 2)[:, None] * A


def test_assert_jacobian_raises_the_report():
    assert_jacobian(layer, layer_jacobian, at=X)
    with pytest.raises(AssertionError, match=r"(?s)^wrong: 4 of 4 witnesses .*\nworst entry"):
        assert_jacobian(layer, lambda x: -layer_jacobian(x), at=X)
    with pytest.raises(AssertionError, match=r"^undecided: kink within the step"):
        assert_jacobian(np.abs, [[0.0]], at=0.0)


def test_the_report_as_text_html_and_json():
    report = check(layer, X, lambda x: 2 * layer_jacobian(x))
    text = str(report)
    assert text.startswith("wrong: 4 of 4")
    assert "numerator layout, row-major vec, float64" in text
    for witness in report.witnesses:
        assert witness.name in text
        assert f'<td style="text-align:left">{witness.name}</td>' in report._repr_html_()
    restored = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert restored["verdict"] == "wrong"
    assert restored["passed"] is False
    assert restored["worst"]["found"] == report.worst.found
    assert [w["name"] for w in restored["witnesses"]] == [w.name for w in report.witnesses]


def test_html_is_escaped():
    f = lambda x: x if isinstance(x, np.ndarray) else np.linalg.eigh(x["<b>"])  # noqa: E731
    assert "<b>" not in check(f, X, np.eye(4))._repr_html_()


def test_nan_in_a_report_is_json():
    report = check(lambda x: x, [1.0], [[np.nan]])
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["worst"]["found"] == "nan"


def test_inputs_are_never_written_to():
    x, J = X.copy(), layer_jacobian(X)
    x.flags.writeable = J.flags.writeable = False
    assert check(layer, x, J).passed


def test_everything_named_is_there():
    assert all(hasattr(verification, name) for name in verification.__all__)


def test_the_verdict_is_legible_on_any_page_and_prose_is_aligned_left():
    def luminance(colour: str) -> float:
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    for J, verdict in ((np.diag(2 * np.asarray(X)), "right"), (np.eye(len(X)), "wrong")):
        page = check(lambda x: x**2, X, J)._repr_html_()
        assert f"color:#fff;background:{COLOURS[verdict]}" in page
        assert "<td>" not in page
        assert "<th>" not in page
    for colour in COLOURS.values():  # W3C's contrast of text, level AA
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5
