"""Functions are marked as courses write them: tuples, dicts, caches, upstream derivatives, labels, modes and None."""

import numpy as np
import pytest

from verification.grading import AssignmentError, grade, load_assignment
from verification.grading.containment.returned import parts_of
from verification.grading.expected import expected_trials

REFERENCE = """
import numpy as np

def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w, b)

def affine_backward(dout, cache):
    x, w, b = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)

def loss(x, w, y):
    z = x @ w
    return np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y])

def scaled(x, mode, mask, params):
    if mode == "test":
        return x
    scale = params["scale"] if mask is None else params["scale"] * mask
    return scale * x if params["on"] else x
"""
BACKWARD = """
[assignment]
reference = "reference.py"

[[function]]
name = "affine_backward"
arguments = ["dout", "cache"]
cache = { function = "affine_forward", arguments = ["x", "w", "b"] }
forward = "affine_forward"
form = "vjp"
upstream = "dout"
returns = [{ name = "dx", marks = 2 }, "dw", "db"]

[[function.point]]
name = "random"
marks = 4
seed = 1
shapes = { x = [3, 2, 2], w = [4, 5], b = [5], dout = [3, 5] }
"""
LOSS = """
[assignment]
reference = "reference.py"

[[function]]
name = "loss"
arguments = ["x", "w", "y"]
forward = "loss"
form = "gradient"
returns = [{ name = "loss", form = "value" }, "grads.w", { name = "grads.x", wrt = "x" }]

[[function.point]]
marks = 3
seed = 1
shapes = { x = [4, 2], w = [2, 3] }
integers = { y = [4], below = 3 }
"""
SCALED = """
[assignment]
reference = "reference.py"

[[function]]
name = "scaled"
arguments = ["x", "mode", "mask", "params"]
reference = "scaled"
form = "value"

[[function.point]]
values = { x = [1.0, 2.0], mode = "train", mask = [true, false], params = { scale = 2.5, on = true } }

[[function.point]]
seed = 1
shapes = { x = [3] }
constants = { mode = "train", params = { scale = 2, on = true } }
none = ["mask"]
"""


@pytest.fixture
def marked(tmp_path):
    (tmp_path / "reference.py").write_text(REFERENCE, encoding="utf-8")

    def marked(assignment, code):
        (tmp_path / "a.toml").write_text(assignment, encoding="utf-8")
        (tmp_path / "s.py").write_text(code, encoding="utf-8")
        (result,) = grade(tmp_path / "a.toml", [tmp_path / "s.py"])
        return result

    return marked


# --- several arrays, an upstream derivative, a cache -------------------------------------------------------

FORWARD = REFERENCE.partition("def affine_backward")[0]


def test_a_backward_pass_is_marked_as_it_is_written(marked):
    result = marked(BACKWARD, REFERENCE)
    assert [item.point for item in result.items] == ["random, dx", "random, dw", "random, db"]
    assert [item.marks for item in result.items] == [2.0, 1.0, 1.0]


def test_each_array_has_its_own_marks_and_its_own_diagnosis(marked):
    wrong = REFERENCE.replace("dout.sum(axis=0)\n", "dout.mean(axis=0)\n").replace(
        "(dout @ w.T)", "-(dout @ w.T)"
    )
    result = marked(BACKWARD, wrong)
    assert [item.marks for item in result.items] == [0.0, 1.0, 0.0]
    assert "sign" in result.items[0].feedback
    assert "factor" in result.items[2].feedback


def test_the_cache_is_what_the_students_own_forward_returned(marked):
    own = (
        "def affine_forward(x, w, b):\n    return x.reshape(len(x), -1) @ w + b, {'w': w, 'x': x}\n"
        "def affine_backward(dout, cache):\n    x, w = cache['x'], cache['w']\n"
        "    return {'db': dout.sum(0), 'dw': x.reshape(len(x), -1).T @ dout, 'dx': (dout @ w.T).reshape(x.shape)}\n"
    )
    assert marked(BACKWARD, own).passed


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            FORWARD + "def affine_backward(dout, cache):\n    return dout, dout",
            "it returned 2 values, expected 3: dx, dw, db",
        ),
        (
            FORWARD + "def affine_backward(dout, cache):\n    return dout",
            "it returned one value, expected 3: dx, dw, db",
        ),
        (
            FORWARD + "def affine_backward(dout, cache):\n    return {'dx': dout}",
            "it returned no dw, expected 3: dx, dw, db",
        ),
        ("def affine_backward(dout, cache):\n    return 1", "defines no function affine_forward"),
        (
            "def affine_forward(x, w, b):\n    return 1\ndef affine_backward(dout, cache):\n    return 1",
            "returned nothing that the cache could be taken from",
        ),
        (FORWARD + "def affine_backward(dout, cache):\n    pass", "it returned None"),
    ],
)
def test_what_is_not_returned_as_asked_is_told(marked, code, sentence):
    result = marked(BACKWARD, code)
    assert result.marks == 0
    assert any(sentence in item.feedback for item in result.items), [item.feedback for item in result.items]


def test_a_vector_jacobian_product_is_what_differences_say(tmp_path):
    (tmp_path / "reference.py").write_text(REFERENCE, encoding="utf-8")
    (tmp_path / "a.toml").write_text(BACKWARD, encoding="utf-8")
    (trial,) = expected_trials(load_assignment(tmp_path / "a.toml"))["affine_backward", 0]
    x, w, b, dout = (trial.place[name] for name in ("x", "w", "b", "dout"))

    def loss(w):
        return np.sum(dout * (x.reshape(3, 4) @ w + b))

    h, differences = 1e-4, np.zeros_like(w)
    for index in np.ndindex(*w.shape):
        step = np.zeros_like(w)
        step[index] = h
        differences[index] = (loss(w + step) - loss(w - step)) / (2 * h)
    np.testing.assert_allclose(trial.expected[1].answer, differences, rtol=1e-8)


def test_a_loss_with_a_dict_of_gradients_is_marked(marked):
    code = (
        "import numpy as np\n"
        "def loss(x, w, y):\n"
        "    p = np.exp(x @ w); p /= p.sum(1, keepdims=True); n = len(y)\n"
        "    value = -np.mean(np.log(p[np.arange(n), y])); p[np.arange(n), y] -= 1\n"
        "    return value, {'w': x.T @ p / n, 'x': p @ w.T / SCALE}\n"
    )
    assert marked(LOSS, code.replace("SCALE", "n")).passed
    assert [item.passed for item in marked(LOSS, code.replace("SCALE", "1")).items] == [True, True, False]


# --- arguments that are no numbers ------------------------------------------------------------------------


def test_texts_flags_tables_and_none_reach_a_submission(marked):
    assert marked(SCALED, REFERENCE).passed
    types = (
        "import numpy as np\ndef scaled(x, mode, mask, params):\n"
        "    assert type(mode) is str and type(params) is dict and params['on'] is True\n"
        "    assert mask is None or mask.dtype == bool\n"
        "    return np.float64(params['scale']) * (1 if mask is None else mask) * x\n"
    )
    assert marked(SCALED, types).passed


def test_a_table_that_is_written_to_is_mentioned(marked):
    code = REFERENCE.replace('    if mode == "test":', '    params["seen"] = 1\n    if mode == "test":')
    result = marked(SCALED, code)
    assert result.passed
    assert result.items[0].feedback == "right: it writes to its argument params"


# --- what makes no sense ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('upstream = "dout"', "", "upstream: found nothing, expected one of 'dout', 'x', 'w', 'b'"),
        ('"dw", "db"]', '"dw", "dw"]', "returns: found "),
        ('"dw", "db"]', '"dw", "dq"]', "expected for 'dq' wrt, one of 'dout', 'x', 'w', 'b'"),
        ('"dw", "db"]', '"dw", "d-b"]', "'d-b'], expected a list of names"),
        ('form = "vjp"', 'form = "gradient"', "upstream: found 'dout', expected nothing without form = 'vjp'"),
        ('arguments = ["dout", "cache"]', 'arguments = ["dout", "c"]', "cache: argument: found nothing, expected"),
        ("dout = [3, 5]", "cache = [3, 5]", "expected every argument, 'dout', 'x', 'w', 'b', once"),
        ('"dw", "db"]', '"dw", "db"]\nwrt = "x"', "wrt: found 'x', expected nothing beside returns"),
        ("seed = 1", 'seed = 1\nconstants = { x = 1 }', "found 'x' in shapes and in constants, expected it in one"),
    ],
)  # fmt: skip
def test_a_signature_that_makes_no_sense_is_refused(tmp_path, old, new, sentence):
    assert old in BACKWARD
    (tmp_path / "reference.py").write_text(REFERENCE, encoding="utf-8")
    (tmp_path / "a.toml").write_text(BACKWARD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(AssignmentError) as caught:
        load_assignment(tmp_path / "a.toml")
    assert sentence in str(caught.value)


def test_an_upstream_derivative_of_another_shape_is_refused(tmp_path):
    (tmp_path / "reference.py").write_text(REFERENCE, encoding="utf-8")
    (tmp_path / "a.toml").write_text(BACKWARD.replace("dout = [3, 5]", "dout = [5]"), encoding="utf-8")
    with pytest.raises(
        AssignmentError, match=r"upstream: found shape \(5,\), expected \(3, 5\), which forward returns$"
    ):
        expected_trials(load_assignment(tmp_path / "a.toml"))


def test_a_reference_that_returns_less_than_it_says_is_refused(tmp_path):
    (tmp_path / "reference.py").write_text(
        REFERENCE + "\ndef short(dout, cache):\n    return 1.0\n", encoding="utf-8"
    )
    text = BACKWARD.replace('forward = "affine_forward"', 'forward = "affine_forward"\nreference = "short"')
    (tmp_path / "a.toml").write_text(text, encoding="utf-8")
    with pytest.raises(
        AssignmentError, match=r"the reference returned no dx as returns says; expected a tuple"
    ):
        expected_trials(load_assignment(tmp_path / "a.toml"))


def test_parts_are_found_by_place_or_by_key():
    assert parts_of({"b": 1, "a": 2}, ["a", "b"]) == [2, 1]
    assert parts_of([1, 2], ["a", "b"]) == [1, 2]
    assert parts_of(3, ["a"]) == [3]
    assert parts_of((3, {"a": {"c": 4}}), ["l", "g.a.c"]) == [3, 4]
    assert [str(part) for part in parts_of(None, ["a", "b"])] == ["none", "none"]
