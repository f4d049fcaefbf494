"""The plugin: there when it is asked for, and its failures can be read."""

import re
import subprocess
import sys

import numpy as np
import pytest

from verification.pytest_plugin import check_jacobian

TESTS = """
import numpy as np

def square(x):
    return x**2

def test_right(check_jacobian):
    assert check_jacobian(square, np.diag([2.0, 4.0]), at=[1.0, 2.0]).passed

def test_wrong(check_jacobian):
    check_jacobian(square, -np.diag([2.0, 4.0]), at=[1.0, 2.0])
"""


def run_pytest(directory, *options):
    (directory / "test_planted.py").write_text(TESTS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *options, "test_planted.py"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


def test_a_failure_shows_the_report_and_the_line_of_the_test(tmp_path):
    done = run_pytest(tmp_path, "-p", "verification.pytest_plugin")
    assert "1 failed, 1 passed" in done.stdout
    assert "AssertionError: the Jacobian is wrong:" in done.stdout
    assert re.search(r"worst entry \[\d, \d\] .*: found -\d\.0, expected \d", done.stdout)
    assert "diagnosis: the sign is wrong: the candidate is −J" in done.stdout
    assert "> " in done.stdout
    assert "check_jacobian(square, -np.diag" in done.stdout
    assert "report = check(f, at, jacobian" not in done.stdout  # the plugin's own lines
    assert done.returncode == 1


def test_nobody_gets_the_fixture_who_did_not_ask(tmp_path):
    done = run_pytest(tmp_path)
    assert "fixture 'check_jacobian' not found" in done.stdout
    assert done.returncode == 1


def test_options_go_to_the_check():
    J = np.diag([2.0, 4.002])
    with pytest.raises(AssertionError, match=r"^the Jacobian is wrong: "):
        check_jacobian(lambda x: x**2, J, at=[1.0, 2.0])
    assert check_jacobian(lambda x: x**2, J, at=[1.0, 2.0], rtol=1e-2).passed


def test_an_undecided_check_fails_too():
    with pytest.raises(AssertionError, match=r"^the Jacobian is undecided: .*kink"):
        check_jacobian(np.abs, [[0.0]], at=[0.0])
