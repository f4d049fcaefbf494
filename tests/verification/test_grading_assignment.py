"""What an assignment may say, and the sentence for everything that it may not."""

import numpy as np
import pytest

from verification.grading import AssignmentError, load_assignment
from verification.grading.expected import expected_trials
from verification.grading.points import Point

WHOLE = """
[assignment]
reference = "reference.py"

[[function]]
name = "f"
arguments = ["W", "x"]
forward = "layer"
wrt = "x"

[[function.point]]
name = "p"
values = { W = [[1.0, 2.0]], x = [0.5, 0.25] }
"""
REFERENCE = """
import numpy as np

def layer(W, x):
    return np.tanh(W @ x)

def wrong(W, x):
    return W.copy()

def nan(W, x):
    return W * np.nan

def kink(W, x):
    return W @ np.abs(x - 0.5)

def broken(W, x):
    raise RuntimeError("of the course")

def network(W):
    from jacobians import Affine, Sequential, Tanh
    return Sequential(Affine(W, None), Tanh())

def no_network(W):
    return W
"""


@pytest.fixture
def write(tmp_path):
    (tmp_path / "reference.py").write_text(REFERENCE, encoding="utf-8")

    def write(text):
        path = tmp_path / "a.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def sentence_of(action):
    with pytest.raises(AssignmentError) as caught:
        action()
    return str(caught.value)


def test_what_is_not_said_has_a_default(write):
    assignment = load_assignment(write(WHOLE))
    (task,) = assignment.tasks
    (point,) = task.points
    assert assignment.title == "a"
    assert assignment.settings.forbidden_imports == ("jacobians", "verification", "backprop")
    assert not assignment.settings.accept_lists
    assert assignment.limits.memory_mib == 1024
    assert (task.form, task.tolerance.relative, task.tolerance.absolute) == ("matrix", 1e-6, 0.0)
    assert (point.marks, point.partial, point.visibility) == (1.0, True, "visible")
    assert assignment.reveal_of(task, point) == "diagnosis"
    assert assignment.marks == 1.0


def test_what_is_revealed_is_inherited_downwards(write):
    text = WHOLE.replace("[assignment]", '[assignment]\nreveal = "verdict"') + 'reveal = "worst"\n'
    text += "[[function.point]]\nvalues = { W = [[1.0]], x = [1.0] }\n"
    assignment = load_assignment(write(text))
    (task,) = assignment.tasks
    reveals = [assignment.reveal_of(task, point) for point in task.points]
    assert reveals == ["worst", "verdict"]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[assignment]", "[assignment", "a.toml: is no TOML: "),
        (
            "[assignment]",
            "[assigment]",
            "a.toml: found the key 'assigment', expected none but 'assignment', ",
        ),
        (
            'reference = "reference.py"',
            'reference = "other.py"',
            "a.toml: [assignment]: reference: found 'other.py', expected the name of a Python file",
        ),
        (
            'reference = "reference.py"',
            "",
            "a.toml: function 1 (f): forward: found 'layer', expected a function of the reference module; "
            "name its file as reference in [assignment]",
        ),
        (
            WHOLE[WHOLE.index("[[function]]") :],
            "",
            "a.toml: function: found nothing, expected at least one [[function]]",
        ),
        (
            'name = "f"',
            'name = "f-g"',
            "a.toml: function 1: name: found 'f-g', expected a name as Python has them",
        ),
        ('name = "f"', "", "a.toml: function 1: name: found nothing, expected a name as Python has them"),
        ('["W", "x"]', "[]", "a.toml: function 1 (f): arguments: found [], expected at least one name"),
        (
            '["W", "x"]',
            '["W", "W"]',
            "a.toml: function 1 (f): arguments: found ['W', 'W'], expected every name once",
        ),
        (
            'forward = "layer"',
            "",
            "a.toml: function 1 (f): found no source of the expected answers, expected reference, forward or toolkit",
        ),
        (
            'forward = "layer"',
            'forward = "layer"\ntoolkit = "Softmax"',
            "a.toml: function 1 (f): toolkit: found 'Softmax', expected it alone; leave out reference and forward",
        ),
        ('wrt = "x"', 'wrt = "z"', "a.toml: function 1 (f): wrt: found 'z', expected one of 'W', 'x'"),
        ('wrt = "x"', "", "a.toml: function 1 (f): wrt: found nothing, expected one of 'W', 'x'"),
        (
            'wrt = "x"',
            'wrt = "x"\nform = "vector"',
            "a.toml: function 1 (f): form: found 'vector', expected one of 'matrix', 'numerator', 'mixed', ",
        ),
        (
            'wrt = "x"',
            'wrt = "x"\nrelative = 0.5',
            "a.toml: function 1 (f): relative: found 0.5, expected a number above 0 and at most 0.01",
        ),
        (
            'name = "p"',
            "mark = 3",
            "a.toml: function 1 (f), point 1: found the key 'mark', expected none but 'name', 'values', 'shapes'",
        ),
        (
            'name = "p"',
            "marks = -1",
            "a.toml: function 1 (f), point 1: marks: found -1, expected a number of at least 0",
        ),
        (
            'name = "p"',
            "marks = true",
            "a.toml: function 1 (f), point 1: marks: found True, expected a number of at",
        ),
        (
            'name = "p"',
            "marks = nan",
            "a.toml: function 1 (f), point 1: marks: found nan, expected a number of at",
        ),
        ('name = "p"', "marks = 0", "a.toml: found no marks at all, expected a point with marks above 0"),
        (
            'name = "p"',
            'visibility = "secret"',
            "a.toml: function 1 (f), point 1: visibility: found 'secret', expected one of 'visible', ",
        ),
        (
            "x = [0.5, 0.25]",
            "y = [0.5, 0.25]",
            "a.toml: function 1 (f), point 1: found 'W', 'y', expected every argument, 'W', 'x', once",
        ),
        (
            "x = [0.5, 0.25]",
            "x = [[1.0], [1.0, 2.0]]",
            "a.toml: function 1 (f), point 1: values: x: found a ragged sequence, expected rows of equal length",
        ),
        (
            "x = [0.5, 0.25]",
            "x = [0.5, inf]",
            "a.toml: function 1 (f), point 1: values: x: found NaN or infinity, expected finite numbers",
        ),
        (
            "values =",
            "shapes = { W = [1], x = [1] }\nvalues =",
            "a.toml: function 1 (f), point 1: found both or none of values and shapes, expected one of them",
        ),
        (
            "values = { W = [[1.0, 2.0]], x = [0.5, 0.25] }",
            "shapes = { W = [1], x = [1] }",
            "a.toml: function 1 (f), point 1: seed: found nothing, expected an integer from 0 to 1000000000",
        ),
        (
            "values = { W = [[1.0, 2.0]], x = [0.5, 0.25] }",
            'shapes = { W = ["h"], x = [1] }\nseed = 1',
            "a.toml: function 1 (f), point 1: shapes: W: found ['h'], expected a list of sizes, "
            "numbers; named ones are defined in sizes",
        ),
        (
            "values = { W = [[1.0, 2.0]], x = [0.5, 0.25] }",
            'shapes = { W = ["h"], x = [1] }\nseed = 1\nsizes = { h = [3, 2] }',
            "a.toml: function 1 (f), point 1: sizes: h: found [3, 2], expected a size of at least 1",
        ),
        (
            "values = { W = [[1.0, 2.0]], x = [0.5, 0.25] }",
            "shapes = { W = [1000, 1000], x = [1] }\nseed = 1",
            "a.toml: function 1 (f), point 1: found 1,000,001 numbers, expected at most 1,000,000; ",
        ),
        (
            "values = { W = [[1.0, 2.0]], x = [0.5, 0.25] }",
            "shapes = { W = [1], x = [1] }\nseed = 1\nbetween = [2, 1]",
            "a.toml: function 1 (f), point 1: between: found [2, 1], expected two numbers [low, high]",
        ),
        (
            'name = "p"',
            "seed = 3",
            "a.toml: function 1 (f), point 1: seed: found 3, expected nothing beside values, which are no random ones",
        ),
        (
            'wrt = "x"',
            'wrt = "x"\nform = "value"',
            "a.toml: function 1 (f): wrt: found 'x', expected nothing beside form = 'value', which is no derivative",
        ),
        (
            'wrt = "x"',
            'wrt = "x"\ninput = "x"',
            "a.toml: function 1 (f): input: found 'x', expected nothing without toolkit",
        ),
        (
            "[[function]]",
            "[limits]\nmemory_mib = 1\n[[function]]",
            "a.toml: [limits]: memory_mib: found 1, expected an integer from 256 to 1048576",
        ),
        (
            "[[function]]",
            "[limits]\nseconds = 0\n[[function]]",
            "a.toml: [limits]: seconds: found 0, expected a number above 0 and at most 86400",
        ),
    ],
)
def test_a_field_that_is_wrong_is_named(write, old, new, sentence):
    assert old in WHOLE
    assert sentence_of(lambda: load_assignment(write(WHOLE.replace(old, new, 1)))).startswith(sentence)


def test_a_function_that_comes_twice_is_refused(write):
    text = WHOLE + WHOLE[WHOLE.index("[[function]]") :]
    found = sentence_of(lambda: load_assignment(write(text)))
    assert found == "a.toml: found two functions 'f', expected one; give it several points"


# --- random points ---------------------------------------------------------------------------------------


def test_random_points_come_from_the_seed_alone():
    point = Point(shapes={"W": ["h", "d"], "x": ["d"]}, sizes={"h": [2, 4], "d": [1, 3]}, count=20, seed=5)
    first, again = point.places(), point.places()
    assert len(first) == 20
    for one, two in zip(first, again, strict=True):
        assert np.array_equal(one["W"], two["W"])
        assert one["W"].shape[1] == one["x"].shape[0]
    assert {place["W"].shape[0] for place in first} == {2, 3, 4}
    assert not np.array_equal(Point(shapes={"x": [3]}, seed=1).places()[0]["x"], first[0]["x"])


def test_points_between_bounds():
    point = Point(shapes={"x": [1000]}, seed=5, between=(2.0, 3.0))
    (place,) = point.places()
    assert 2 <= place["x"].min() < 2.1 < 2.9 < place["x"].max() <= 3


# --- expected answers ------------------------------------------------------------------------------------


def answers_of(write, **fields):
    text = WHOLE.replace(
        'forward = "layer"\nwrt = "x"', "\n".join(f'{key} = "{value}"' for key, value in fields.items())
    )
    return expected_trials(load_assignment(write(text)))["f", 0][0]


def slope(W, x):
    return (1 - np.tanh(W @ x) ** 2)[:, None] * W


def test_the_witnesses_the_toolkit_and_the_reference_give_the_same_answer(write):
    W, x = np.array([[1.0, 2.0]]), np.array([0.5, 0.25])
    by_witnesses = answers_of(write, forward="layer", wrt="x").answer
    by_toolkit = answers_of(write, toolkit="network", input="x", wrt="x").answer
    np.testing.assert_allclose(by_witnesses, slope(W, x), rtol=1e-12)
    np.testing.assert_allclose(by_toolkit, slope(W, x), rtol=1e-12)
    np.testing.assert_allclose(
        answers_of(write, reference="layer", form="value").answer, np.tanh(W @ x), rtol=0
    )
    np.testing.assert_allclose(
        answers_of(write, forward="layer", form="value").answer, np.tanh(W @ x), rtol=0
    )


@pytest.mark.parametrize(
    ("form", "shape"),
    [("matrix", (1, 2)), ("numerator", (1, 2, 1)), ("mixed", (1, 1, 2)), ("denominator", (1, 2, 1))],
)
def test_the_forms_of_a_derivative_by_a_matrix(write, form, shape):
    assert answers_of(write, toolkit="network", input="x", wrt="W", form=form).answer.shape == shape


def test_a_gradient_has_the_shape_of_its_argument(write):
    assert answers_of(write, toolkit="network", input="x", wrt="W", form="gradient").answer.shape == (1, 2)
    assert answers_of(write, forward="layer", wrt="x", form="gradient").answer.shape == (2,)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"reference": "wrong", "forward": "layer", "wrt": "x"},
            "function 'f', 'p', place 1: the expected answer is not confirmed: ",
        ),
        (
            {"reference": "nan"},
            "function 'f', 'p', place 1: the reference returned NaN or infinity, expected finite numbers",
        ),
        (
            {"reference": "broken"},
            "function 'f', 'p', place 1: the reference raised RuntimeError: of the course",
        ),
        (
            {"reference": "absent"},
            "function 'f', 'p', place 1: found no function 'absent' in the reference module, expected one",
        ),
        (
            {"reference": "layer", "forward": "layer", "wrt": "x"},
            "function 'f', 'p', place 1: the reference returned shape (1,), expected (1, 2)",
        ),
        (
            {"forward": "kink", "wrt": "x"},
            "function 'f', 'p', place 1: the expected answer is not confirmed: kink within the step",
        ),
        (
            {"forward": "layer", "wrt": "W", "form": "gradient", "arguments_": ""},
            "a.toml: function 1 (f): found the key 'arguments_'",
        ),
        (
            {"toolkit": "Nothing", "wrt": "x"},
            "function 'f', 'p', place 1: toolkit: found 'Nothing', expected a function of the reference module ",
        ),
        (
            {"toolkit": "no_network", "wrt": "x"},
            "function 'f', 'p', place 1: toolkit: 'no_network' returned ndarray, expected a jacobians.Function",
        ),
        (
            {"toolkit": "Softmax", "wrt": "x"},
            "function 'f', 'p', place 1: the reference raised TypeError: ",
        ),
    ],
)
def test_an_expected_answer_that_is_not_to_be_trusted_is_refused(write, fields, sentence):
    assert sentence_of(lambda: answers_of(write, **fields)).startswith(sentence)


def test_a_gradient_of_several_outputs_is_refused(write):
    text = WHOLE.replace("[[1.0, 2.0]]", "[[1.0, 2.0], [3.0, 4.0]]").replace(
        'wrt = "x"', 'wrt = "x"\nform = "gradient"'
    )
    assert sentence_of(lambda: expected_trials(load_assignment(write(text)))) == (
        "function 'f', 'p', place 1: form: found 'gradient' of a function with 2 outputs, expected one output"
    )


def test_a_reference_that_cannot_be_imported_is_named(write, tmp_path):
    path = write(WHOLE)
    (tmp_path / "reference.py").write_text("1 / 0", encoding="utf-8")
    assert sentence_of(lambda: expected_trials(load_assignment(path))) == (
        "reference: reference.py can't be imported: ZeroDivisionError: division by zero"
    )
