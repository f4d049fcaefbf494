"""The figures of the benchmark, in small: planted mistakes are named, and right Jacobians are not called wrong."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "verification_trials.py"


@pytest.fixture(scope="module")
def trials():
    spec = importlib.util.spec_from_file_location("verification_trials", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickles look there
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_planted_mistakes_are_named_first(trials):
    of_kind, misses = trials.plantings(4 * len(trials.KINDS), seed=1)
    assert set(of_kind.values()) == {4}
    assert len(misses) <= (1 - trials.NAMED) * of_kind.total(), misses


def test_no_right_jacobian_is_called_wrong(trials):
    counts, wrong, set_aside = trials.right_trials(100, seed=1, jobs=1)
    assert wrong == []
    assert counts.total() == 100
    assert sum(count for (verdict, _), count in counts.items() if verdict == "right") >= 95
    assert len(set_aside) <= 2


def test_the_command_prints_both_figures(trials, capsys, monkeypatch):
    call = ["--plantings", "17", "--trials", "5", "--jobs", "1"]
    assert trials.main(call) == 0
    printed = capsys.readouterr().out
    assert "17" in printed
    assert "0 of 5 called wrong" in printed
    monkeypatch.setattr(trials, "trial", lambda number, seed: trials.Trial("wrong", "float64", "planted", ()))
    assert trials.main(call) == 1
