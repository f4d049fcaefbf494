"""Questions whose answer is no array: a formula, a structure, a shape, a layout."""

import itertools

import numpy as np
import pytest

from verification.grading import AssignmentError, grade, load_assignment, prepare, try_out

QUESTIONS = """
[assignment]
handout = "handout.py"

[[function]]
name = "gradient"
form = "formula"
formula = "x'*A*x"
wrt = "x"
[[function.point]]
marks = 2
reveal = "REVEAL"

[[function]]
name = "as_the_sheet"
form = "formula"
formula = "x'*A*x"
wrt = "x"
written_as = "(A + A')*x"
[[function.point]]
reveal = "REVEAL"

[[function]]
name = "structure"
form = "structure"
toolkit = "Affine"
arguments = ["W", "b", "x"]
wrt = "W"
[[function.point]]
reveal = "REVEAL"
seed = 1
shapes = { W = [2, 3], b = [2], x = [3] }

[[function]]
name = "shape"
form = "shape"
layout = "numerator"
forward = "affine"
arguments = ["W", "b", "x"]
wrt = "W"
[[function.point]]
reveal = "REVEAL"
seed = 1
shapes = { W = [2, 3], b = [2], x = [3] }

[[function]]
name = "layout"
form = "layout"
forward = "linear"
arguments = ["W", "x", "J"]
wrt = "x"
input = "J"
[[function.point]]
reveal = "REVEAL"
values = { W = [[1.0, 2.0], [3.0, 4.0]], x = [1.0, 1.0], J = [[1.0, 3.0], [2.0, 4.0]] }
"""
HANDOUT = """
def affine(W, b, x):
    return W @ x + b


def linear(W, x):
    return W @ x
"""
RIGHT = ["A*x + A'*x", "(Aᵀ + A)·x", "kronecker", (2, 3, 2), "Denominator"]
NAMES = ["gradient", "as_the_sheet", "structure", "shape", "layout"]


def assignment_in(directory, reveal="worst", text=QUESTIONS):
    (directory / "a.toml").write_text(text.replace("REVEAL", reveal), encoding="utf-8")
    (directory / "handout.py").write_text(HANDOUT, encoding="utf-8")
    return directory / "a.toml"


def submission_in(directory, answers):
    lines = [
        f"def {name}(*given):\n    return {answer!r}\n" for name, answer in zip(NAMES, answers, strict=True)
    ]
    (directory / "s.py").write_text("\n".join(lines), encoding="utf-8")
    return directory / "s.py"


def feedback(directory, answers, reveal="worst"):
    (result,) = grade(assignment_in(directory, reveal), [submission_in(directory, answers)])
    return {item.function: (item.marks, item.feedback) for item in result.items}


def test_right_answers_have_full_marks_also_by_try_and_prepared(tmp_path):
    path, submission = assignment_in(tmp_path), submission_in(tmp_path, RIGHT)
    (result,) = grade(path, [submission])
    assert result.passed, [item.feedback for item in result.items]
    attempt = try_out(path, submission)
    assert attempt.passed
    assert attempt.by_staff == ("structure, point 1",)  # a toolkit is the staff's
    prepare(load_assignment(path))
    (again,) = grade(path, [submission])
    assert [item.marks for item in again.items] == [item.marks for item in result.items]


@pytest.mark.parametrize(
    ("name", "answer", "told"),
    [
        ("gradient", "2*A*x", "wrong: right for symmetric A"),
        ("gradient", "-(A+A')*x", "wrong: the sign is wrong"),
        ("gradient", "A*x", "wrong: one term of 2 is missing"),
        ("gradient", "x", "wrong: it is not the derivative"),
        ("gradient", "(A+A'*x", "wrong: it is no formula here: formula: "),
        ("gradient", "B*x", "wrong: it is no formula here: candidate: found 'B', expected the variables"),
        ("gradient", "inv(A - A)*x", "wrong: it has no real, finite value at random points"),
        ("gradient", "A^(0/0)*x", "wrong: it has no real, finite value at random points"),
        ("gradient", "(A + A')*x./(x - x)", "wrong: it has no real, finite value at random points"),
        ("gradient", "A[9,9]*x", "wrong: it has no real, finite value at random points"),
        ("gradient", "inv(inv(A⊗A⊗A⊗A⊗A))*x", "wrong: it is no formula here: "),
        (
            "gradient",
            "sum(inv(inv(A⊗A⊗A⊗A⊗A)))*x",
            "wrong: it is no formula here: formula: found one that takes more",
        ),
        (
            "gradient",
            "nuclear(eye(5000))*x",
            "wrong: it is no formula here: formula: found one that takes more",
        ),
        ("gradient", "x" + " ⊗ x" * 40, "wrong: it is no formula here: a part of the formula"),
        ("gradient", np.eye(2).tolist(), "no answer: it returned no text"),
        ("as_the_sheet", "A*x + A'*x", "wrong: it is the derivative, written in another form"),
        ("as_the_sheet", "A*x", "wrong: one term of 2 is missing"),
        ("structure", "Diagonal", "wrong: it has another structure"),
        ("structure", "Kroneker", "wrong: no structure is called 'Kroneker'; did you mean 'Kronecker'?"),
        ("shape", (2, 6), "wrong: it is 2 numbers, expected 3"),
        ("shape", (3, 2, 3), "wrong: it is another shape"),
        ("shape", "2x3x3", "no answer: it returned text"),
        ("layout", "numerator", "wrong: the array is in another layout"),
        ("layout", "columns", "wrong: no layout is called 'columns'"),
    ],
)
def test_a_wrong_answer_is_told_what_is_wrong_and_not_the_answer(tmp_path, name, answer, told):
    answers = [answer if name == asked else right for asked, right in zip(NAMES, RIGHT, strict=True)]
    found = feedback(tmp_path, answers, "diagnosis")
    assert found[name][0] == 0
    assert found[name][1].startswith(told)
    for other in set(NAMES) - {name}:
        assert found[other][1] == "right"
    if told.startswith("wrong: ") and "no formula" not in told:
        for secret in ("A'·x", "(A + A", "Kronecker(", "denominator", "3, 2"):
            assert secret not in found[name][1].removeprefix(told)


def test_staff_see_what_was_expected(tmp_path):
    found = feedback(tmp_path, ["A*x", "A*x + A'*x", "Dense", (2, 6), "mixed"])
    assert found["gradient"][1].endswith("found A*x, expected (A + Aᵀ)·x")
    assert found["as_the_sheet"][1].endswith("expected (A + A')*x")
    assert found["structure"][1].endswith("found 'Dense', expected 'Kronecker'")
    assert found["shape"][1].endswith("found (2.0, 6.0), expected (2, 3, 2)")
    assert found["layout"][1].endswith("found 'mixed', expected 'denominator'")


def test_an_array_that_is_the_same_in_two_layouts_may_be_called_either(tmp_path):
    for name in ("numerator", "mixed"):  # for a vector by a vector they are one
        text = QUESTIONS.replace("J = [[1.0, 3.0], [2.0, 4.0]]", "J = [[1.0, 2.0], [3.0, 4.0]]")
        path = assignment_in(tmp_path, text=text)
        (result,) = grade(path, [submission_in(tmp_path, [*RIGHT[:4], name])])
        assert result.passed


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            'formula = "x\'*A*x"\nwrt = "x"\nwritten',
            'wrt = "x"\nwritten',
            "formula: found nothing, expected a text such",
        ),
        ('wrt = "x"\nwritten', "written", "wrt: found nothing, expected a variable of it"),
        ('wrt = "x"\nwritten', 'wrt = "z"\nwritten', "formula: by: found"),
        ("(A + A')*x", "2*A*x", "written_as: the expected answer is not confirmed: wrong"),
        ("(A + A')*x", "(A + *x", "formula: found"),
        ('toolkit = "Affine"', 'forward = "affine"', "toolkit: found nothing, expected a class of jacobians"),
        ('layout = "numerator"', 'layout = "rows"', "layout: found 'rows', expected one of"),
        ('input = "J"', "", "input: found nothing, expected one of 'W', 'x', 'J'"),
        (
            "J = [[1.0, 3.0], [2.0, 4.0]]",
            "J = [[1.0, 3.0], [2.0, 5.0]]",
            "that is the derivative in no layout",
        ),
        (
            'form = "shape"',
            'form = "matrix"',
            "layout: found 'numerator', expected nothing without form = 'shape'",
        ),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(tmp_path, old, new, sentence):
    assert old in QUESTIONS
    path = assignment_in(tmp_path, text=QUESTIONS.replace(old, new))
    with pytest.raises(AssignmentError) as refused:
        grade(path, [submission_in(tmp_path, RIGHT)])
    assert sentence in str(refused.value)


def test_a_shape_is_that_of_the_tensor_by_brute_force():
    from verification.grading.questions import shape_of

    for out_shape, in_shape in itertools.product([(), (2,), (2, 3)], [(), (4,), (4, 5)]):
        assert shape_of(out_shape, in_shape, "mixed").tolist() == list(
            np.multiply.outer(np.zeros(out_shape), np.zeros(in_shape)).shape
        )
        turned = np.multiply.outer(np.zeros(in_shape), np.zeros(out_shape).T)
        assert shape_of(out_shape, in_shape, "denominator").tolist() == list(turned.shape)


def test_a_value_where_there_is_no_argument_is_a_slip(tmp_path):
    text = '[[function]]\nname = "f"\nform = "formula"\nformula = "x"\nwrt = "x"\n[[function.point]]\n'
    sentence = "found 'x', expected no value, as there are no arguments"
    with pytest.raises(AssignmentError, match=sentence):
        load_assignment(assignment_in(tmp_path, text=text + "values = { x = [1.0] }\n"))


@pytest.mark.parametrize(
    ("answer", "marks"), [("-(A + A')*x", 1), ("3*(A + A')*x", 1), ("A*x", 0), ("(A + A')*x./(x - x)", 0)]
)
def test_half_of_the_marks_is_given_for_a_slip_in_a_formula(tmp_path, answer, marks):
    text = QUESTIONS.replace('wrt = "x"', 'wrt = "x"\nhalf_if = ["sign", "constant factor"]', 1)
    path = assignment_in(tmp_path, "diagnosis", text)
    (result,) = grade(path, [submission_in(tmp_path, [answer, *RIGHT[1:]])])
    assert result.items[0].marks == marks


@pytest.mark.parametrize(
    "text",
    [
        r"$(A + A^T) x$",
        r"\left(A + A^{\top}\right) \mathbf{x}",
        r"\(A x + A^\top x\)",
        r"A x + A^{\mathsf{T}} x",
    ],
)
def test_latex_as_people_write_it_is_read(tmp_path, text):
    (result,) = grade(assignment_in(tmp_path), [submission_in(tmp_path, [text, *RIGHT[1:]])])
    assert result.passed, [item.feedback for item in result.items]


def test_the_derivative_of_a_question_is_found_once_for_all_answers(tmp_path, monkeypatch):
    from verification import formulas
    from verification.grading import questions

    found = []

    def seen(d, points, seed, told=formulas.confirmed_points):
        found.append(d.formula)
        return told(d, points, seed)

    monkeypatch.setattr(formulas, "confirmed_points", seen)
    questions._asked.cache_clear()
    task = load_assignment(assignment_in(tmp_path)).tasks[0]
    verdicts = [
        questions.report_on(task, text).verdict for text in ("2*A*x", "A*x + A'*x", "A*x", "(A + A')*x")
    ]
    assert verdicts == ["wrong", "right", "wrong", "right"]
    assert len(found) == 1
