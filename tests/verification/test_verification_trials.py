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


def test_no_right_jacobian_is_called_wrong_and_none_with_an_error_right(trials):
    found = trials.right_trials(100, seed=1, jobs=1)
    assert found.wrong == []
    assert found.counts.total() == 100
    assert sum(count for (verdict, _), count in found.counts.items() if verdict == "right") >= 95
    assert len(found.set_aside) <= 2
    assert {verdict for verdict, _ in found.off} == {"wrong", "undecided", "not asked"}
    assert found.missed == []
    assert sum(count for (verdict, _), count in found.off.items() if verdict == "wrong") >= 50


def test_the_command_prints_all_figures(trials, capsys, monkeypatch):
    call = ["--plantings", "17", "--trials", "5", "--jobs", "1"]
    assert trials.main(call) == 0
    printed = capsys.readouterr().out
    assert "17" in printed
    assert "0 of 5 called wrong, and with the error 0 right" in printed
    for planted in (
        trials.Trial("wrong", "float64", "planted", ()),
        trials.Trial("right", "float64", "", (), "right", "planted"),
    ):
        monkeypatch.setattr(trials, "trial", lambda number, seed, planted=planted: planted)
        assert trials.main(call) == 1
