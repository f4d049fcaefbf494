"""The plugin: there when it is asked for, and its failures can be read."""

import re
import subprocess
import sys

import numpy as np
import pytest

from verification.pytest_plugin import check_jacobian

pytest_plugins = ["pytester"]

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


GRADIENTS = """
import numpy as np

def energy(W):
    return np.sum(W**2)

W = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])

def test_right(check_gradient):
    check_gradient(energy, 2 * W, at=W)
    check_gradient(energy, lambda W: 2 * W, at=W, rtol=1e-9)

def test_wrong(check_gradient):
    check_gradient(energy, W, at=W)

def test_transposed(check_gradient):
    check_gradient(energy, 2 * W.T, at=W)

def test_kink(check_gradient):
    check_gradient(lambda x: np.sum(np.abs(x)), [0.0, 1.0], at=[0.0, 1.0])
"""


def test_gradients_fail_with_the_report_and_the_line_of_the_test(pytester):
    pytester.makepyfile(GRADIENTS)
    result = pytester.runpytest_subprocess("-p", "verification.pytest_plugin", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines_random(
        [
            ">       check_gradient(energy, W, at=W)",
            "E       AssertionError: gradient by input, shape (2, 3): wrong: *",
            "E       diagnosis: a constant factor is wrong: the candidate is ½·J, as where the exponent 2 is left out*",
            "*found shape (3, 2), expected (2, 3), the shape of the input; it may be transposed",
            "*undecided: kink within the step*",
        ]
    )
    assert "report = check(" not in result.stdout.str()  # the lines of the assertion


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


def test_an_installed_plugin_is_there_by_itself(tmp_path):
    done = run_pytest(tmp_path)
    assert "1 failed, 1 passed" in done.stdout
    assert "AssertionError: the Jacobian is wrong:" in done.stdout


def test_nobody_gets_the_fixture_who_declines_it(tmp_path):
    done = run_pytest(tmp_path, "-p", "no:verification.pytest_plugin")
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
