"""A pytest plugin, registered by installation; ``pytest -p no:verification.pytest_plugin`` leaves it out.

It gives the fixtures `check_jacobian` and `check_gradient`; a failure shows the report, and the line of the test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from verification.report import CheckReport


@pytest.fixture(name="check_jacobian", scope="session")
def check_jacobian_fixture() -> Callable[..., CheckReport]:
    """Give :func:`check_jacobian`."""
    return check_jacobian


@pytest.fixture(name="check_gradient", scope="session")
def check_gradient_fixture() -> Callable[..., None]:
    """Give :func:`verification.assert_gradient`."""
    from verification.assertions import assert_gradient

    return assert_gradient


def check_jacobian(f: Any, jacobian: Any = None, *, at: Any, **options: Any) -> CheckReport:
    """Check a Jacobian in a test, and return the report of one that is right.

    Parameters
    ----------
    f, jacobian
        As for :func:`verification.check`.
    at : array_like
        The point.
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
    report = check(f, at, jacobian, **options)
    if not report.passed:
        raise AssertionError(f"the Jacobian is {report}")
    return report
