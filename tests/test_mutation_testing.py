"""The script that changes the product: what it leaves as it is, which tests it runs, what it makes of their end."""

import json
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


def test_caches_and_the_guards_of_zip_are_left_alone(monkeypatch, tmp_path):
    source = (
        "import functools\n\n@functools.lru_cache(maxsize=4)\ndef f(x):\n    return list(zip(x, x, strict=True))\n\n"
        "@property\ndef g(x):\n    return dict(zip(x, x), strict=True)\n"
    )
    assert mt.unnoticeable(source) == {("core/RemoveDecorator", 3), ("core/ReplaceTrueWithFalse", 5)}
    pytest.importorskip("cosmic_ray", reason="cosmic-ray comes with the group mutation")
    monkeypatch.setattr(mt, "ROOT", tmp_path)
    (tmp_path / "f.py").write_text(source, encoding="utf-8")
    found = {(line, name) for line, _, there in mt.mutants("f.py", set(range(1, 10))) for name, _ in there}
    assert {(7, "core/RemoveDecorator"), (9, "core/ReplaceTrueWithFalse")} <= found
    assert not {(3, "core/RemoveDecorator"), (5, "core/ReplaceTrueWithFalse")} & found


def test_of_a_picture_only_the_layout_is_left_alone(monkeypatch, tmp_path):
    pytest.importorskip("cosmic_ray", reason="cosmic-ray comes with the group mutation")
    monkeypatch.setattr(mt, "ROOT", tmp_path)
    for name in ("pictures.py", "other.py"):
        (tmp_path / name).write_text("def f(a):\n    return 0.1 * a if a > 2 else -a\n", encoding="utf-8")
    drawn, other = (
        {operator.split("_")[0] for _, _, there in mt.mutants(name, {2}) for operator, _ in there}
        for name in ("pictures.py", "other.py")
    )
    assert drawn == {"core/ReplaceComparisonOperator", "core/AddNot"}
    assert other == drawn | {"core/NumberReplacer", "core/ReplaceBinaryOperator", "core/ReplaceUnaryOperator"}


@pytest.mark.parametrize(("unchanged", "status"), [("survived", "endless"), ("endless", "untold")])
def test_a_time_out_counts_only_if_the_tests_end_unchanged(monkeypatch, tmp_path, unchanged, status):
    (tmp_path / "f.py").write_text("a = 1\n", encoding="utf-8")
    monkeypatch.setattr(mt, "changed", lambda source, mutant: "a = 2\n")
    seen = []

    def status_of(copy, tests):
        seen.append(tests)
        return "endless" if (copy / "f.py").read_text() == "a = 2\n" else unchanged

    monkeypatch.setattr(mt, "_status", status_of)
    mutant = {"file": "f.py", "line": 1, "operator": "core/NumberReplacer", "tests": ["old"]}
    assert mt._outcome(tmp_path, mutant, {"old": 1.0}, ["new"])["status"] == status
    assert seen == [["new", "old"]] * 2
    assert (tmp_path / "f.py").read_text() == "a = 1\n"


def test_the_share_that_is_printed_is_that_of_the_seed(tmp_path, capsys):
    for seed, statuses in (
        (0, ["survived"] * 5 + ["killed"] * 5),
        (1, ["killed"] * 9 + ["survived", "untold"]),
    ):
        lines = [
            json.dumps({"file": "f.py", "line": 1, "operator": "x", "diff": "", "status": status})
            for status in statuses
        ]
        (tmp_path / f"done-{seed}-10.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert mt.show(tmp_path) == 1
    printed = capsys.readouterr().out
    assert "done-0-10: 5 of 10 noticed (50%)" in printed
    assert "done-1-10: 9 of 10 noticed (90%)" in printed
