"""A kink at a point need not stop the marking of a class: what is accepted there, and what is not."""

import numpy as np
import pytest

from verification.grading import AssignmentError, grade
from verification.grading.kinks import one_sided

REFERENCE = """
import numpy as np

def relu(W, x):
    return np.maximum(W @ x, 0)

def zero(W, x):
    return np.diag((W @ x > 0) * 1.0) @ W

def wrong(W, x):
    return 2 * W
"""
ASSIGNMENT = """
[assignment]
reference = "reference.py"
[[function]]
name = "J"
arguments = ["W", "x"]
forward = "relu"
wrt = "x"
[[function.point]]
values = { W = [[1.0, 2.0], [3.0, -1.0]], x = [0.0, 0.0] }
"""


def marks(tmp_path, code, more="", changes=("", "")):
    (tmp_path / "reference.py").write_text(REFERENCE, encoding="utf-8")
    (tmp_path / "a.toml").write_text(ASSIGNMENT.replace(*changes) + more, encoding="utf-8")
    (tmp_path / "s.py").write_text(
        f"import numpy as np\ndef J(W, x):\n    slope = {code}\n    return np.diag(slope) @ W\n",
        encoding="utf-8",
    )
    (result,) = grade(tmp_path / "a.toml", [tmp_path / "s.py"])
    return result.marks


def test_a_kink_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(
        AssignmentError, match=r"not confirmed: kink .*; at_kink = 'any' accepts all between the one-sided"
    ):
        marks(tmp_path, "np.zeros(2)")


@pytest.mark.parametrize(
    ("code", "right"),
    [
        ("(W @ x > 0) * 1.0", True),
        ("(W @ x >= 0) * 1.0", True),
        ("0.5 * (W @ x >= 0)", True),
        ("np.array([1.0, 0.0])", True),
        ("2.0 * (W @ x >= 0)", False),
        ("-1.0 * (W @ x >= 0)", False),
        ("np.array([0.0, 1.01])", False),
    ],
)
def test_every_slope_between_the_one_sided_ones_is_accepted_and_no_other(tmp_path, code, right):
    assert marks(tmp_path, code, 'at_kink = "any"') == right


def test_a_reference_at_a_kink_is_confirmed_to_lie_between(tmp_path):
    named = ('forward = "relu"', 'forward = "relu"\nreference = "zero"')
    assert marks(tmp_path, "(W @ x >= 0) * 1.0", 'at_kink = "any"', named) == 1
    with pytest.raises(
        AssignmentError, match=r"at this kink 4 of its entries do not lie between the one-sided"
    ):
        marks(tmp_path, "1", 'at_kink = "any"', ('forward = "relu"', 'forward = "relu"\nreference = "wrong"'))


def test_a_point_that_is_not_confirmed_takes_the_answer_as_it_is(tmp_path):
    named = ('forward = "relu"', 'forward = "relu"\nreference = "zero"')
    assert marks(tmp_path, "(W @ x > 0) * 1.0", "confirm = false", named) == 1
    assert marks(tmp_path, "(W @ x >= 0) * 1.0", "confirm = false", named) == 0


def test_away_from_kinks_any_changes_nothing(tmp_path):
    smooth = ("x = [0.0, 0.0]", "x = [1.0, 0.5]")
    assert marks(tmp_path, "(W @ x > 0) * 1.0", 'at_kink = "any"', smooth) == 1
    assert marks(tmp_path, "(W @ x > 0) * 0.5", 'at_kink = "any"', smooth) == 0


def test_one_sided_derivatives_of_a_smooth_function_are_its_derivative():
    x = np.array([0.3, -2.0, 40.0])
    low, high = one_sided(np.sin, x)
    np.testing.assert_allclose(np.diag(low), np.cos(x), atol=1e-7)
    np.testing.assert_allclose(np.diag(high), np.cos(x), atol=1e-7)
