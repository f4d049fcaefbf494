"""The script that changes the product: what it leaves as it is, which tests it runs, what it makes of their end."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import mutation_testing as mt

SOURCE = """from __future__ import annotations
__all__ = ["f"]


def f(x: int | None, y: int = 1) -> int | None:
    if x < y:
        raise ValueError(f"x: found {x + 1}")
    z: int | None = x + y
    return z
"""


def test_annotations_errors_and_exports_are_texts():
    assert mt.texts(SOURCE) == {2, 5, 7, 8}


def test_the_quick_tests_come_first_and_stop_at_the_share_of_the_time():
    durations = {"slow": 50.0, "quick[1]": 0.1, "quick[2]": 0.2, "middle": 20.0}
    tests = ["slow", "unknown", "quick[2]", "middle", "quick[1]"]
    assert mt._selected(tests, durations) == ["quick[1]", "middle"]
    assert mt._selected(["slow"], durations) == ["slow"]
    assert mt._selected(["quick[2]", "quick[1]"], durations) == ["quick[1]", "quick[2]"]


@pytest.mark.parametrize(
    ("body", "status"),
    [("assert 1 == 1", "survived"), ("assert 1 == 2", "killed"), ("import time; time.sleep(60)", "endless")],
)
def test_a_mutant_survives_only_if_its_tests_pass_in_time(tmp_path, monkeypatch, body, status):
    monkeypatch.setattr(mt, "SECONDS", 5.0 if status == "endless" else 60.0)
    (tmp_path / "test_it.py").write_text(f"def test_it():\n    {body}\n", encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    assert mt._status(tmp_path, ["test_it.py::test_it"]) == status


def test_a_change_is_made_where_it_was_counted(monkeypatch, tmp_path):
    pytest.importorskip("cosmic_ray", reason="cosmic-ray comes with the group mutation")
    monkeypatch.setattr(mt, "ROOT", tmp_path)
    (tmp_path / "f.py").write_text(SOURCE, encoding="utf-8")
    places = list(mt.mutants("f.py", {6, 7, 9}))
    assert {line for line, _, _ in places} == {6}
    changes = [change for _, _, there in places for change in there]
    lines = {mt.changed(SOURCE, {"operator": name, "occurrence": k}).splitlines()[5] for name, k in changes}
    assert {"    if x > y:", "    if not x < y:"} <= lines
    assert "    if x < y:" not in lines
