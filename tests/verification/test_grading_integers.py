"""Integers stay integers: what an assignment holds, the reference gets, and the submission gets, is of one type."""

import numpy as np
import pytest

from verification.grading import AssignmentError, grade, load_assignment
from verification.grading.expected import expected_trials

REFERENCE = """
import numpy as np

def loss(x, y):
    z = x - x.max(axis=1, keepdims=True)
    return np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y])

def gradient(x, y):
    p = np.exp(x - x.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(len(y)), y] -= 1
    return p / len(y)

def every(x, step):
    return x[::step]

def types(x, y, k, a):
    return np.array([x.dtype.itemsize, x.dtype.kind == "f", y.dtype.itemsize, y.dtype.kind == "i", type(k) is int,
                     type(a) is float])
"""
HEAD = '[assignment]\nreference = "reference.py"\n'


def function(name, arguments, rest, point):
    return f'[[function]]\nname = "{name}"\narguments = {arguments}\n{rest}\n[[function.point]]\n{point}\n'


@pytest.fixture
def assigned(tmp_path):
    def assigned(*functions):
        (tmp_path / "reference.py").write_text(REFERENCE, encoding="utf-8")
        (tmp_path / "a.toml").write_text(HEAD + "".join(functions), encoding="utf-8")
        return tmp_path / "a.toml"

    return assigned


GRADIENT = 'forward = "loss"\nwrt = "x"\nform = "gradient"'
LABELS = "values = { x = [[1, 2, 3], [1, 2, 3]], y = [0, 2] }"
DRAWN = (
    'shapes = { x = ["N", "C"] }\nintegers = { y = ["N"], below = "C" }\n'
    "sizes = { N = 4, C = 3 }\nseed = 1\ncount = 3"
)


def test_the_textbooks_softmax_loss_gets_its_marks_as_it_is_written(assigned, tmp_path):
    path = assigned(
        function("gradient", '["x", "y"]', GRADIENT, LABELS),
        function("loss", '["x", "y"]', 'reference = "loss"\nform = "value"', DRAWN),
        function(
            "every",
            '["x", "step"]',
            'reference = "every"\nform = "value"',
            "values = { x = [1.5, 2, 3], step = 2 }",
        ),
    )
    (result,) = grade(path, [_copy(tmp_path)])
    assert result.passed, [item.feedback for item in result.items]


def _copy(directory):
    (directory / "s.py").write_text(REFERENCE, encoding="utf-8")
    return directory / "s.py"


def test_the_reference_and_the_submission_get_the_same_types(assigned, tmp_path):
    arguments = '["x", "y", "k", "a"]'
    rest = 'reference = "types"\nform = "value"'
    path = assigned(
        function(
            "types",
            arguments,
            rest,
            'values = { x = [1, 2], y = [1, 2], k = 3, a = 3.0 }\ndtype = { x = "float32" }',
        ),
    )
    (trial,) = expected_trials(load_assignment(path))["types", 0]
    np.testing.assert_array_equal(trial.answer, [4, 1, 8, 1, 1, 1])
    (result,) = grade(path, [_copy(tmp_path)])
    assert result.passed


def test_labels_are_drawn_below_their_number_of_classes(assigned):
    path = assigned(function("gradient", '["x", "y"]', GRADIENT, DRAWN))
    places = load_assignment(path).tasks[0].points[0].places()
    assert {place["y"].dtype for place in places} == {np.dtype(np.int64)}
    assert {place["x"].dtype for place in places} == {np.dtype(np.float64)}
    drawn = np.concatenate([place["y"] for place in places])
    assert set(drawn.tolist()) == {0, 1, 2}


def test_what_is_differentiated_by_is_real(assigned):
    path = assigned(function("gradient", '["x", "y"]', GRADIENT, LABELS))
    (trial,) = expected_trials(load_assignment(path))["gradient", 0]
    assert trial.place["x"].dtype == np.float64
    assert trial.place["y"].dtype == np.int64


@pytest.mark.parametrize(
    ("point", "sentence"),
    [
        (
            'values = { x = [1.5], y = [0] }\ndtype = "int64"',
            "x: found numbers that are no int64, expected integers",
        ),
        ("values = { x = [1], y = [99999999999999999999] }", "found an integer that has no int64"),
        (
            "values = { x = [1], y = [0] }\ndtype = 'complex'",
            "dtype: found 'complex', expected for 'x', 'y' one of 'float64'",
        ),
        (
            "values = { x = [1], y = [0] }\ndtype = 3",
            "dtype: found 3, expected a dtype, or a table of an argument's dtype",
        ),
        (
            "shapes = { x = [2] }\nintegers = { y = [2] }\nseed = 1",
            "integers: found below = None, expected a number",
        ),
        (
            "shapes = { x = [2] }\nintegers = { y = [2], below = 0 }\nseed = 1",
            "integers: found below = 0, expected",
        ),
        (
            f"shapes = {{ x = [2] }}\nintegers = {{ y = [2], below = {2**31 + 1} }}\nseed = 1",
            f"integers: found below = {2**31 + 1}, expected",
        ),
        (
            "shapes = { x = [2] }\nintegers = { y = [2], below = true }\nseed = 1",
            "integers: found below = True, expected",
        ),
        (
            "shapes = { x = [2], y = [2] }\nintegers = { y = [2], below = 2 }\nseed = 1",
            "found 'y' in shapes and in integers",
        ),
        (
            f"values = {{ x = {'[' * 3000}1{']' * 3000}, y = [0] }}",
            "found hundreds of nested tables or lists",
        ),
        (
            f"values = {{ x = [1], y = {'9' * 6000} }}",
            "found an integer of thousands of digits, expected 64 bits",
        ),
    ],
)
def test_a_point_that_makes_no_sense_is_refused(assigned, point, sentence):
    path = assigned(function("gradient", '["x", "y"]', GRADIENT, point))
    with pytest.raises(AssignmentError) as caught:
        load_assignment(path)
    assert sentence in str(caught.value)
    assert "a.toml" in str(caught.value)


def test_a_class_of_the_toolkit_that_is_not_there_is_told_with_its_neighbour(assigned):
    path = assigned(function("f", '["x"]', 'toolkit = "Sofmax"\nwrt = "x"', "values = { x = [1.0, 2.0] }"))
    with pytest.raises(
        AssignmentError, match=r"found 'Sofmax', expected .*Softmax.*; did you mean 'Softmax'\?$"
    ):
        expected_trials(load_assignment(path))
