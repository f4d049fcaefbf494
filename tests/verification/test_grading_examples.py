"""The assignments in examples/: right submissions have full marks, wrong ones lose what is wrong, with the reason."""

import sys
from pathlib import Path

import pytest

from verification.grading import grade, load_assignment, prepare, to_table, try_out

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="submissions can't be contained there")


def marked(name, ending):
    place = EXAMPLES / name
    return grade(
        place / "assignment.toml",
        [place / "submissions" / f"right{ending}", place / "submissions" / f"wrong{ending}"],
    )


def told(result):
    return {f"{item.function}, {item.point}": (item.marks, item.feedback) for item in result.items}


@pytest.mark.parametrize(
    ("name", "ending"), [("cs231n", ".py"), ("mytorch", ""), ("unrolled", ".py"), ("notebook", ".ipynb")]
)
def test_a_right_submission_has_full_marks_and_a_wrong_one_has_not(name, ending):
    right, wrong = marked(name, ending)
    assert right.passed, to_table([right], items=True)
    assert 0 < wrong.marks < wrong.most, to_table([wrong], items=True)


def test_layers_with_caches_lose_what_is_wrong():
    _, wrong = marked("cs231n", ".py")
    found = told(wrong)
    assert found["affine_backward, images, dx"][0] == 2
    assert found["affine_backward, images, dw"][0] == 1
    assert found["affine_backward, images, db"][0] == 0
    assert "factor" in found["affine_backward, images, db"][1]
    assert found["softmax_loss, labels, loss"][0] == 1
    assert found["softmax_loss, labels, dx"][0] == 1  # half of 2


def test_classes_are_told_what_is_wrong_with_them():
    _, wrong = marked("mytorch", "")
    found = told(wrong)
    assert found["linear, random, dLdA"][0] == 1
    assert "transpose" in found["linear, random, dLdW"][1]
    assert "sign" in found["linear, random, dLdb"][1]
    assert found["mlp, two layers, Z"][0] == 1


def test_unrolled_parameters_keep_the_marks_of_the_cost():
    _, wrong = marked("unrolled", ".py")
    found = told(wrong)
    assert [found[f"cost, {point}, J"][0] for point in ("not regularised", "regularised")] == [1, 1]
    assert [found[f"cost, {point}, gradient"][0] for point in ("not regularised", "regularised")] == [0, 0]


def test_a_notebook_hands_in_a_jacobian_a_cost_and_a_bracketing():
    right, wrong = marked("notebook", ".ipynb")
    assert right.remarks == ()
    assert wrong.remarks == ("cell 2 raised ZeroDivisionError in line 1 of cell 2: division by zero",)
    found = told(wrong)
    assert found["jacobian_by_weights, random"][0] == 2  # half of 4: the order of vec
    assert found["fewest_multiplications, four factors"][0] == 1  # there the left is cheapest
    assert found["fewest_multiplications, five factors"][0] == 0
    assert "another one fewer" in found["bracketing, five factors"][1]
    assert found["formula, point 1"] == (0, "wrong: a constant factor is wrong")
    assert found["shape, point 1"] == (0, "wrong: it is another shape")


def test_students_try_the_notebook_by_what_was_handed_out():
    place = EXAMPLES / "notebook"
    assert try_out(place / "assignment.toml", place / "submissions" / "right.ipynb").passed


@pytest.mark.parametrize("name", ["cs231n", "mytorch", "unrolled", "notebook"])
def test_prepared_answers_give_the_same_marks(name, tmp_path):
    for path in (EXAMPLES / name).iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    prepare(load_assignment(tmp_path / "assignment.toml"))
    (tmp_path / "reference.py").unlink(missing_ok=True)
    submissions = sorted((EXAMPLES / name / "submissions").iterdir())
    by_file = grade(tmp_path / "assignment.toml", submissions)
    plain = grade(EXAMPLES / name / "assignment.toml", submissions)
    assert [[item.marks for item in result.items] for result in by_file] == [
        [item.marks for item in result.items] for result in plain
    ]
