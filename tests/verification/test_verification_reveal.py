"""What a failed assertion tells: as much as is asked for, and no expected value before that."""

import numpy as np
import pytest

from verification import assert_backward, assert_gradient, assert_jacobian

pytest_plugins = ["pytester"]

RIGHT = np.diag([0.54321, 0.98765])


def f(x):
    return RIGHT @ x


def message(call):
    with pytest.raises(AssertionError) as caught:
        call()
    return str(caught.value)


WRONG = RIGHT + np.array([[0.0, 0.0], [0.25, 0.0]])
CALLS = {
    "jacobian": lambda reveal: assert_jacobian(f, WRONG, at=[1.0, 2.0], reveal=reveal),
    "gradient": lambda reveal: assert_gradient(
        lambda x: np.sum(f(x)), [0.54321, 0.5], at=[1.0, 2.0], reveal=reveal
    ),
    "backward": lambda reveal: assert_backward(
        lambda x: np.sum(f(x)),
        lambda dout: dout * np.array([0.54321, 0.5]),
        x=np.array([1.0, 2.0]),
        reveal=reveal,
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_expected_value_is_told_by_the_worst_entry_and_not_before(name):
    verdict, diagnosis, worst, everything = (
        message(lambda reveal=reveal: CALLS[name](reveal))
        for reveal in ("verdict", "diagnosis", "worst", "all")
    )
    assert "wrong" in verdict
    assert "diagnosis" not in verdict
    assert "diagnosis: " in diagnosis
    for text in (verdict, diagnosis):
        assert "expected" not in text
        assert "0.98" not in text
    assert "worst entry" in worst
    assert "expected" in worst
    assert len(everything) >= len(diagnosis)


@pytest.mark.parametrize("name", CALLS)
def test_another_word_is_refused(name):
    with pytest.raises(
        ValueError, match="reveal: found 'nothing', expected one of 'verdict', 'diagnosis', 'worst', 'all'"
    ):
        CALLS[name]("nothing")


TESTS = """
import numpy as np

def test_jacobian(check_jacobian):
    check_jacobian(lambda x: x**2, np.diag([2.0, 5.0]), at=[1.0, 2.0])

def test_gradient(check_gradient):
    check_gradient(lambda x: np.sum(x**2), np.array([2.0, 5.0]), at=[1.0, 2.0])

def test_backward(check_backward):
    check_backward(lambda x: x**2, lambda dout: dout * np.array([2.0, 5.0]), x=np.array([1.0, 2.0]))
"""


def test_the_option_of_pytest_holds_for_the_fixtures(pytester):
    pytester.makepyfile(TESTS)
    pytester.makeini("[pytest]\nverification_reveal = verdict\n")
    plugin = ("-p", "verification.pytest_plugin", "-p", "no:cacheprovider", "--tb=line")
    result = pytester.runpytest_subprocess(*plugin)
    result.assert_outcomes(failed=3)
    printed = result.stdout.str()
    assert "wrong" in printed
    assert "worst entry" not in printed
    assert (
        "worst entry" in pytester.runpytest_subprocess(*plugin, "-o", "verification_reveal=all").stdout.str()
    )
