"""Expected answers in a file: the same marks, no reference, no stale ones, and nothing for submissions to read."""

import io
import json
import sys

import numpy as np
import pytest

from verification.cli import main
from verification.grading import AssignmentError, grade, load_assignment, prepare
from verification.grading.containment import landlock
from verification.grading.prepared import prepared_path, prepared_trials

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="submissions can't be contained there")

REFERENCE = """
import numpy as np

def layer(W, x):
    return np.tanh(W @ x)

def kinked(x):
    return np.abs(x)
"""
ASSIGNMENT = """
[assignment]
reference = "reference.py"

[[function]]
name = "J"
arguments = ["W", "x"]
forward = "layer"
wrt = "x"

[[function.point]]
marks = 2
count = 2
seed = 4
shapes = { W = [2, 3], x = [3] }

[[function]]
name = "slope"
arguments = ["x"]
forward = "kinked"
wrt = "x"
[[function.point]]
at_kink = "any"
values = { x = [0.0, 1.5] }
"""
RIGHT = """
import numpy as np
def J(W, x):
    return np.diag(1 - np.tanh(W @ x) ** 2) @ W
def slope(x):
    return np.diag(np.sign(x))
"""
WRONG = RIGHT.replace("1 - np.tanh(W @ x) ** 2", "np.tanh(W @ x)")


@pytest.fixture
def assigned(tmp_path):
    (tmp_path / "reference.py").write_text(REFERENCE, encoding="utf-8")
    (tmp_path / "hw.toml").write_text(ASSIGNMENT, encoding="utf-8")
    (tmp_path / "right.py").write_text(RIGHT, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(WRONG, encoding="utf-8")
    return tmp_path / "hw.toml"


def marked(path):
    return grade(path, [path.parent / "right.py", path.parent / "wrong.py"])


def test_prepared_answers_give_the_same_marks_and_words(assigned):
    before = marked(assigned)
    assert prepare(load_assignment(assigned)) == assigned.parent / "hw.expected.npz"
    assert [result.items for result in marked(assigned)] == [result.items for result in before]
    assert [result.marks for result in before] == [3.0, 1.0]


def test_then_no_reference_is_needed(assigned):
    prepare(load_assignment(assigned))
    (assigned.parent / "reference.py").unlink()
    assert [result.marks for result in marked(assigned)] == [3.0, 1.0]


def test_a_right_submission_needs_no_code_of_the_course(assigned):
    (assigned.parent / "reference.py").write_text(
        REFERENCE + "\nimport pathlib; pathlib.Path(__file__ + '.seen').touch()\n", encoding="utf-8"
    )
    prepare(load_assignment(assigned))
    seen = assigned.parent / "reference.py.seen"
    seen.unlink()
    assert grade(assigned, [assigned.parent / "right.py"])[0].passed
    assert not seen.exists()


@pytest.mark.parametrize("name", ["hw.toml", "reference.py"])
def test_stale_answers_are_refused_by_name(assigned, name):
    prepare(load_assignment(assigned))
    with (assigned.parent / name).open("a", encoding="utf-8") as stream:
        stream.write("# changed\n")
    with pytest.raises(AssignmentError) as caught:
        marked(assigned)
    assert str(caught.value) == (
        f"hw.expected.npz: found answers that are stale: {name} changed since they were computed; "
        f"run `verify prepare hw.toml` again"
    )


def test_a_file_that_is_something_else_is_refused(assigned):
    assignment = load_assignment(assigned)
    prepare(assignment)
    path = prepared_path(assignment)
    whole = path.read_bytes()
    stream = io.BytesIO()
    np.savez(stream, head=np.frombuffer(json.dumps({"schema": "x", "schema_version": 1}).encode(), np.uint8))
    for data in (b"", b"no file", whole[:-100], stream.getvalue()):
        path.write_bytes(data)
        with pytest.raises(AssignmentError, match=r"^hw.expected.npz: .*run `verify prepare hw.toml` again$"):
            prepared_trials(assignment)


def test_points_come_from_the_file_and_are_drawn_by_nobody_again(assigned, monkeypatch):
    assignment = load_assignment(assigned)
    prepare(assignment)
    first = prepared_trials(assignment)["J", 0][0].place["x"]
    monkeypatch.setattr("numpy.random.default_rng", None)
    np.testing.assert_array_equal(prepared_trials(assignment)["J", 0][0].place["x"], first)


@pytest.mark.skipif(landlock.version() == 0, reason="the kernel has no Landlock")
def test_a_submission_can_read_neither_answers_nor_reference(assigned):
    prepare(load_assignment(assigned))
    thief = "import os\nimport numpy as np\n"
    for name in ("hw.expected.npz", "reference.py", "hw.toml"):
        thief += f"try:\n    print('LEAKED', open({str(assigned.parent / name)!r}, 'rb').read(9))\n"
        thief += "except PermissionError:\n    print('no')\n"
    thief += f"try:\n    print('LEAKED', os.listdir({str(assigned.parent)!r}))\n"
    thief += "except PermissionError:\n    print('no')\n"
    thief += (
        "for pid in (os.getppid(), 1):\n    for name in ('mem', 'environ', 'cwd', 'root'):\n"
        f"        end = '{assigned.parent}/hw.expected.npz' if name in ('cwd', 'root') else ''\n"
        "        try:\n            print('LEAKED', open(f'/proc/{pid}/{name}{end}', 'rb').read(10))\n"
        "        except OSError:\n            print('no')\n"
    )
    (assigned.parent / "thief.py").write_text(thief + RIGHT, encoding="utf-8")
    (result,) = grade(assigned, [assigned.parent / "thief.py"])
    assert result.passed
    assert result.output.split() == ["no"] * 12


def test_answers_below_a_directory_that_submissions_read_are_refused(assigned, monkeypatch):
    monkeypatch.setattr(
        "verification.grading.marking.readable_directories", lambda toolkit: [str(assigned.parent)]
    )
    with pytest.raises(
        AssignmentError, match=r"^reference.py: found it below .*, which submissions can read"
    ):
        marked(assigned)


def test_the_file_is_for_its_owner_alone(assigned):
    assert prepare(load_assignment(assigned)).stat().st_mode & 0o077 == 0


def test_answers_that_take_too_long_are_given_up_with_the_costly_ones(assigned, capsys):
    assert main(["prepare", str(assigned), "--seconds", "1e-9"]) == 2
    error = capsys.readouterr().err
    assert (
        "the expected answers take longer than 1e-09 s: 1 were computed; the costly ones: function 'J'"
        in error
    )
    assert not (assigned.parent / "hw.expected.npz").exists()


def test_the_command_says_what_it_wrote(assigned, capsys):
    assert main(["prepare", str(assigned)]) == 0
    assert capsys.readouterr().out.startswith("hw.expected.npz: 3 answers in ")
    assert main(["prepare", str(assigned), "--seconds", "0"]) == 2
    assert main(["grade", str(assigned), str(assigned.parent / "right.py")]) == 0


def test_the_witnesses_report_is_kept(assigned):
    assignment = load_assignment(assigned)
    prepare(assignment)
    with np.load(prepared_path(assignment)) as archive:
        head = json.loads(archive["head"].tobytes())
    reports = [entry["expected"][0]["report"] for entry in head["trials"]]
    assert all(reports)


def test_an_expected_answer_is_found_by_symbols_within_their_budget_alone(monkeypatch):
    from verification.grading import expected
    from verification.witnesses import asking

    asked = []

    def seen(problem, seconds, told=asking.symbolic_value):
        asked.append((problem.shape, seconds))
        return told(problem, seconds)

    monkeypatch.setattr(asking, "symbolic_value", seen)
    rng = np.random.default_rng(0)
    for n in (3, 300):
        W, x = rng.normal(size=(n, n)) / n, rng.normal(size=n)
        truth = (1 - np.tanh(W @ x) ** 2)[:, None] * W
        found = expected._by_witnesses(lambda x, W=W: np.tanh(W @ x), x)
        np.testing.assert_allclose(found, truth, rtol=1e-8, atol=1e-10)
    ((shape, seconds),) = asked  # 300 × 300 × 300 operations are too many
    assert shape == (3, 3)
    assert 0 < seconds < 60
