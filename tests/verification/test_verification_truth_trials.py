"""The figures of the trials outside networks, in small: no right Jacobian is called wrong."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "truth_trials.py"


@pytest.fixture(scope="module")
def trials():
    spec = importlib.util.spec_from_file_location("truth_trials", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(SCRIPT.parent))
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(SCRIPT.parent))
    del sys.modules[spec.name]


def test_the_truth_is_that_of_closed_forms(trials):
    draw = trials.power(np.random.default_rng(0))
    A, eye = draw.x.reshape(2, 2), np.eye(2)
    J = np.kron(eye, (A @ A).T) + np.kron(A, A.T) + np.kron(A @ A, eye)
    assert np.allclose(trials.truth(draw, draw.x), J, rtol=1e-13, atol=1e-13)


def test_no_right_jacobian_outside_networks_is_called_wrong(trials):
    found = [trials.trial(number, 1) for number in range(4 * len(trials.FAMILIES))]
    assert [one for one in found if one.right != "right"] == []
    assert sum(one.wrong == "wrong" for one in found) >= len(found) // 2


def test_false_verdicts_end_with_status_1(trials, capsys, monkeypatch):
    family = next(iter(trials.FAMILIES))
    for right, wrong, status in (("right", "wrong", 0), ("wrong", "wrong", 1), ("right", "right", 1)):
        monkeypatch.setattr(
            trials, "trial", lambda n, s, r=right, w=wrong: trials.Trial(family, r, "sign in one", w)
        )
        assert trials.main(["--trials", "2"]) == status
    assert "visible errors called right: 2" in capsys.readouterr().out
