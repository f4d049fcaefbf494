"""The page on grading: its example is an assignment, its defaults are the program's, its marks are what comes out."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from verification.grading import Assignment, grade, load_assignment
from verification.grading.limits import Limits

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "grading.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "examples" / "assignment"


def section(title):
    return re.split(r"^#+ ", PAGE.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_the_limits_have_the_defaults_of_the_page():
    rows = re.findall(r"^\| `(\w+)` \| .* \| (\d+) \|$", section("`[limits]`"), re.MULTILINE)
    assert {name: float(value) for name, value in rows} == Limits().model_dump()


@pytest.mark.skipif(sys.platform == "win32", reason="submissions can't be contained there")
def test_the_assignment_of_the_page_marks_the_example(tmp_path):
    block = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0]
    shutil.copy(EXAMPLE / "reference.py", tmp_path)
    (tmp_path / "assignment.toml").write_text(block, encoding="utf-8")
    names = ["right.py", "transposed.py"]
    results = grade(tmp_path / "assignment.toml", [EXAMPLE / "submissions" / name for name in names])
    assert [result.marks for result in results] == [3.0, 0.0]


@pytest.mark.skipif(sys.platform == "win32", reason="submissions can't be contained there")
def test_the_python_of_the_page_gives_the_marks_that_it_shows(monkeypatch, capsys):
    monkeypatch.chdir(EXAMPLE)
    block = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[-1]
    names = {}
    exec(compile(block, "grading.md", "exec"), names)
    assert [result.marks for result in names["results"]] == [10.0, 6.0]
    assert "# [10.0, 6.0]" in block
    assert capsys.readouterr().out.endswith("Jacobians of a layer: 2 submissions, 1 with full marks\n")


def test_every_key_that_an_assignment_can_have_is_on_the_page():
    schema = Assignment.model_json_schema()
    tables = ("Settings", "Limits", "Task", "Point")
    keys = {key for table in tables for key in schema["$defs"][table]["properties"]} - {"point"}
    assert len(keys) > 20
    assert [key for key in sorted(keys) if f"`{key}`" not in PAGE] == []
    assert load_assignment(EXAMPLE / "assignment.toml").marks == 10
