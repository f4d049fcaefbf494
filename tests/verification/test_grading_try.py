"""A student's own look: what a handed-out forward decides, without reference, at the level that staff allow."""

import json
import shutil
import subprocess
import sys

import pytest

from verification.cli import main
from verification.grading import AssignmentError, grade, try_out, trying

HANDOUT = "import numpy as np\ndef layer(W, x):\n    return np.tanh(W @ x)\n"
ASSIGNMENT = """
[assignment]
reference = "reference.py"
handout = "handout.py"

[[function]]
name = "J"
arguments = ["W", "x"]
forward = "layer"
wrt = "x"
[[function.point]]
seed = 1
shapes = { W = [2, 3], x = [3] }
[[function.point]]
visibility = "hidden"
seed = 2
shapes = { W = [2, 3], x = [3] }

[[function]]
name = "secret"
arguments = ["x"]
reference = "secret"
form = "value"
[[function.point]]
name = "by staff"
values = { x = [1.0] }
"""
RIGHT = "import numpy as np\ndef J(W, x):\n    return np.diag(1 - np.tanh(W @ x) ** 2) @ W\n"
TRANSPOSED = RIGHT + "own = J\ndef J(W, x):\n    return own(W, x).T\n"


@pytest.fixture
def handed_out(tmp_path):
    (tmp_path / "handout.py").write_text(HANDOUT, encoding="utf-8")
    (tmp_path / "hw.toml").write_text(ASSIGNMENT, encoding="utf-8")
    (tmp_path / "right.py").write_text(RIGHT, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(TRANSPOSED, encoding="utf-8")
    return tmp_path / "hw.toml"


def test_a_student_needs_no_reference(handed_out, capsys):
    assert main(["try", str(handed_out), str(handed_out.parent / "right.py")]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "right.py      1/1",
        "  J, point 1    1/1  right",
        "marked by staff: secret, by staff",
        "marked by staff: 1 point that is not public",
    ]
    assert main(["try", str(handed_out), str(handed_out.parent / "wrong.py")]) == 1
    assert "the transpose" in capsys.readouterr().out


def test_no_more_is_told_than_staff_allow(handed_out):
    text = ASSIGNMENT.replace("[assignment]", '[assignment]\nreveal = "verdict"')
    handed_out.write_text(text, encoding="utf-8")
    attempt = try_out(handed_out, handed_out.parent / "wrong.py")
    assert [item.feedback for item in attempt.result.items] == ["wrong"]


def test_a_notebook_cell_says_the_same(handed_out):
    names = {}
    exec(RIGHT, names)
    assert try_out(handed_out, names).passed
    exec(TRANSPOSED, names)
    attempt = try_out(handed_out, names)
    assert not attempt
    by_file = try_out(handed_out, handed_out.parent / "wrong.py")
    assert [item.feedback for item in attempt.result.items] == [
        item.feedback for item in by_file.result.items
    ]
    assert "it raised ZeroDivisionError" in str(try_out(handed_out, {"J": lambda W, x: 1 / 0}))
    assert "it returned None" in str(try_out(handed_out, {"J": lambda W, x: None}))
    assert "defines no function J" in str(try_out(handed_out, {}))


def test_where_nothing_can_be_contained_the_file_runs_here(handed_out, monkeypatch):
    monkeypatch.setattr(trying, "CONTAINED", False)
    before = list(sys.path)
    for name, passed in (("right.py", True), ("wrong.py", False)):
        assert trying.try_out(str(handed_out), str(handed_out.parent / name)).passed is passed
    assert sys.path == before


def test_nothing_that_only_posix_has_is_needed(handed_out):
    """Trying, preparing and starting in an interpreter that lacks what Windows lacks."""
    code = (
        "import os\n"
        "for name in ('O_NONBLOCK', 'O_NOFOLLOW', 'fchmod', 'getsid', 'killpg', 'setsid', 'geteuid'):\n"
        "    delattr(os, name)\n"
        "import sys\n"
        "sys.modules['fcntl'] = sys.modules['resource'] = None\n"
        "from verification.grading import load_assignment, prepare, trying\n"
        "from verification.grading.starting import write_first_assignment\n"
        "trying.CONTAINED = False\n"
        f"place = {str(handed_out.parent)!r}\n"
        "assert trying.try_out(place + '/hw.toml', place + '/right.py').passed\n"
        "write_first_assignment(place + '/new')\n"
        "prepare(load_assignment(place + '/new/assignment.toml'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_decides_nothing_is_refused(handed_out):
    (handed_out.parent / "handout.py").write_text("", encoding="utf-8")
    with pytest.raises(AssignmentError, match=r"found no public point that a function of handout decides"):
        try_out(handed_out, {})
    (handed_out.parent / "handout.py").unlink()
    with pytest.raises(
        AssignmentError, match=r"handout: found 'handout.py', expected the name of a Python file"
    ):
        try_out(handed_out, {})


@pytest.mark.parametrize("what", [3, None, []])
def test_what_is_no_submission_is_refused_by_name(handed_out, what):
    with pytest.raises(
        TypeError, match=r"^submission: found \w+, expected a path or, in a notebook, globals"
    ):
        try_out(handed_out, what)


def test_staff_mark_by_the_same_handout(handed_out):
    (handed_out.parent / "reference.py").write_text("def secret(x):\n    return x\n", encoding="utf-8")
    shutil.copy(handed_out.parent / "right.py", handed_out.parent / "all.py")
    with (handed_out.parent / "all.py").open("a", encoding="utf-8") as stream:
        stream.write("def secret(x):\n    return x\n")
    (result,) = grade(handed_out, [handed_out.parent / "all.py"])
    assert result.marks == 3
    assert json.dumps(result.to_dict())
