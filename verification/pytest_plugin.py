"""A pytest plugin, registered by installation; ``pytest -p no:verification.pytest_plugin`` leaves it out.

It gives the fixtures `check_jacobian`, `check_gradient` and `check_backward`; a failure shows the report, or the part
of it that the option `verification_reveal` allows, and the line of the test.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, get_args

import pytest

from jacobians.numerics.arguments import checked_option
from verification.report import CheckReport, Reveal

REVEAL = "verification_reveal"
"""The option of pytest's configuration: what a failure of the fixtures tells."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addini(REVEAL, "what a failed check tells: verdict, diagnosis, worst or all", default="all")


@pytest.fixture(name="check_jacobian", scope="session")
def check_jacobian_fixture(pytestconfig: pytest.Config) -> Callable[..., CheckReport]:
    """Give :func:`check_jacobian`."""
    return partial(check_jacobian, reveal=pytestconfig.getini(REVEAL))


@pytest.fixture(name="check_gradient", scope="session")
def check_gradient_fixture(pytestconfig: pytest.Config) -> Callable[..., None]:
    """Give :func:`verification.assert_gradient`."""
    from verification.assertions import assert_gradient

    return partial(assert_gradient, reveal=pytestconfig.getini(REVEAL))


@pytest.fixture(name="check_backward", scope="session")
def check_backward_fixture(pytestconfig: pytest.Config) -> Callable[..., None]:
    """Give :func:`verification.assert_backward`."""
    from verification.backward import assert_backward

    return partial(assert_backward, reveal=pytestconfig.getini(REVEAL))


def check_jacobian(
    f: Any, jacobian: Any = None, *, at: Any, reveal: Reveal = "all", **options: Any
) -> CheckReport:
    """Check a Jacobian in a test, and return the report of one that is right.

    Parameters
    ----------
    f, jacobian
        As for :func:`verification.check`.
    at : array_like
        The point.
    reveal : {"verdict", "diagnosis", "worst", "all"}
        What a failure tells.
    **options
        Further arguments of :func:`verification.check`, such as ``wrt``, ``layout`` and ``rtol``.

    Raises
    ------
    AssertionError
        With the report, if the verdict is "wrong" or "undecided".

    Examples
    --------
    >>> import numpy as np
    >>> check_jacobian(np.sin, np.diag(np.cos([0.5, 1.0])), at=[0.5, 1.0]).verdict
    'right'
    """
    from verification.check import check

    __tracebackhide__ = True  # pytest shows the line that called
    checked_option(reveal, "reveal", get_args(Reveal))
    report = check(f, at, jacobian, **options)
    if not report.passed:
        raise AssertionError(f"the Jacobian is {report.told(reveal)}")
    return report
