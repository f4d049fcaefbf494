"""A marking that was killed goes on: nothing is lost, and nothing is marked twice."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from verification.grading import course, grade
from verification.grading.journal import Journal
from verification.grading.results import ItemResult, SubmissionResult, submission_result

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="submissions can't be contained there")

ASSIGNMENT = (
    '[assignment]\nreference = "reference.py"\n[[function]]\nname = "f"\narguments = ["x"]\nreference = "f"\n'
    'form = "value"\n[[function.point]]\nvalues = { x = [1.0, 2.0] }\n'
)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "reference.py").write_text("def f(x):\n    return 2 * x\n", encoding="utf-8")
    (tmp_path / "a.toml").write_text(ASSIGNMENT, encoding="utf-8")
    for number in range(6):
        factor = 2 if number % 2 else 3
        (tmp_path / f"s{number}.py").write_text(f"def f(x):\n    return {factor} * x\n", encoding="utf-8")
    return tmp_path


def marked(place, count=6, **options):
    paths = [place / f"s{number}.py" for number in range(count)]
    return grade(place / "a.toml", paths, resume=place / "r.jsonl", **options)


@pytest.fixture
def runs(monkeypatch):
    """Count the submissions that are really run."""
    names, mark = [], course.mark

    def counted(assignment, trials, name, source, processes):
        names.append(name)
        return mark(assignment, trials, name, source, processes)

    monkeypatch.setattr(course, "mark", counted)
    return names


def test_what_is_marked_is_not_marked_again(place, runs):
    first = marked(place, 3)
    assert sorted(runs) == ["s0.py", "s1.py", "s2.py"]
    again = marked(place)
    assert sorted(runs) == [f"s{number}.py" for number in range(6)]
    assert again[:3] == [submission_result(result.to_dict()) for result in first]
    assert [result.marks for result in again] == [0.0, 1.0] * 3


def test_a_submission_that_changed_is_marked_again(place, runs):
    marked(place, 2)
    (place / "s0.py").write_text("def f(x):\n    return x + x\n", encoding="utf-8")
    assert [result.marks for result in marked(place, 2)] == [1.0, 1.0]
    assert sorted(runs) == ["s0.py", "s0.py", "s1.py"]


def test_a_line_that_was_cut_off_is_marked_again(place, runs):
    marked(place, 2)
    data = (place / "r.jsonl").read_bytes()
    (place / "r.jsonl").write_bytes(data[:-30])
    assert len(marked(place, 2)) == 2
    assert len(runs) == 3
    assert len((place / "r.jsonl").read_text(encoding="utf-8").splitlines()) == 3
    assert len(marked(place, 2)) == 2
    assert len(runs) == 3


def test_a_file_of_another_assignment_or_none_is_refused(place):
    marked(place, 1)
    with (place / "reference.py").open("a", encoding="utf-8") as stream:
        stream.write("# changed\n")
    with pytest.raises(
        ValueError, match=r"^resume: r.jsonl: found results for another assignment, or for this one"
    ):
        marked(place, 1)
    for text in ("no json\n", "[]\n", '{"schema": "x"}\n'):
        (place / "r.jsonl").write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=r"^resume: r.jsonl: found no results of `verify grade`"):
            marked(place, 1)


def test_two_markings_into_one_file_are_refused(tmp_path):
    with (
        Journal(tmp_path / "r", {}),
        pytest.raises(ValueError, match="found another marking that writes to it"),
    ):
        Journal(tmp_path / "r", {}).__enter__()


def test_a_result_that_staff_must_look_at_is_not_kept(tmp_path):
    from verification.grading.submissions import Submission

    source = Submission({"submission.py": b""}, "submission.py")
    item = ItemResult("f", "p", 0.0, 1.0, "no answer", "failed", "", "", "visible")
    with Journal(tmp_path / "r", {}) as journal:
        journal.add(source, SubmissionResult("a", "t", (item,), endings=("failed",)))
        journal.add(source, SubmissionResult("b", "t", (item,), endings=("exit",)))
    with Journal(tmp_path / "r", {}) as journal:
        assert journal.find("a", source, None) is None
        assert journal.find("b", source, None) is not None
        assert journal.find("b", source, 5) is None


def test_after_a_kill_in_the_middle_nothing_is_lost_or_marked_twice(place):
    for number in range(6, 30):
        (place / f"s{number}.py").write_text("def f(x):\n    return 2 * x\n", encoding="utf-8")
    code = "from verification.cli import main; main()"
    call = [sys.executable, "-c", code, "grade", str(place / "a.toml"), "--workers", "2", "--json"]
    call += [str(place / f"s{number}.py") for number in range(30)] + ["--resume", str(place / "r.jsonl")]
    with subprocess.Popen(call, stdout=subprocess.DEVNULL) as first:
        while not (place / "r.jsonl").exists() or len((place / "r.jsonl").read_bytes().splitlines()) < 6:
            assert first.poll() is None
            time.sleep(0.02)
        os.kill(first.pid, signal.SIGKILL)
    kept = (place / "r.jsonl").read_bytes().count(b"\n")
    assert 6 <= kept < 31
    done = subprocess.run(call, capture_output=True, check=False)
    results = json.loads(done.stdout)["submissions"]
    assert [entry["marks"] for entry in results] == [0.0, 1.0] * 3 + [1.0] * 24
    lines = [json.loads(line) for line in (place / "r.jsonl").read_bytes().splitlines()][1:]
    assert len(lines) == len({line["key"] for line in lines}) == 30
