"""Packages that come with the extras: asked for before the work begins, so that none is lost."""

from __future__ import annotations

from importlib.util import find_spec


def require_extras(extras: str, *names: str) -> None:
    """Raise unless the packages of some extras can be imported.

    Raises
    ------
    ImportError
        A sentence that names what is missing and the command that installs it.

    Examples
    --------
    >>> require_extras("report,cli", "numpy")
    >>> require_extras("report,cli", "no_such_package")
    Traceback (most recent call last):
    ...
    ImportError: found no no_such_package, expected an installed package; run pip install ...
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        what = "an installed package" if len(missing) == 1 else "installed packages"
        raise ImportError(
            f'found no {", no ".join(missing)}, expected {what}; run pip install "explicit-jacobians[{extras}]"'
        )
