"""Arrays that take the answers of compiled functions: in the form of an answer, and not on top of the arguments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from jacobians.names import class_name
from jacobians.numerics.arrays import Array


def shares_memory(out: Array, arguments: Iterable[Array]) -> bool:
    """Return whether an array may share memory with one of others.

    Examples
    --------
    >>> x = np.zeros(4)
    >>> shares_memory(x[1:], [x]), shares_memory(np.zeros(4), [x])
    (True, False)
    """
    for array in arguments:
        # two that own their memory are the same or apart, which takes no look at bounds
        if out is array or (
            (out.base is not None or array.base is not None) and np.may_share_memory(out, array)
        ):
            return True
    return False


def parts_of_out(out: Any, outputs: int, inputs: int) -> list[tuple[str, Any]]:
    """Return names and arrays of `out` in the form that a call of so many outputs and arguments answers.

    Raises
    ------
    TypeError
        If it has another form.

    Examples
    --------
    >>> [name for name, _ in parts_of_out(((1, 2), (3, 4)), 2, 2)]
    ['out[0][0]', 'out[0][1]', 'out[1][0]', 'out[1][1]']
    """
    rows = _parts("out", out, outputs)
    return [part for name, row in rows for part in _parts(name, row, inputs)]


def _parts(name: str, value: Any, count: int) -> list[tuple[str, Any]]:
    if count == 1:
        return [(name, value)]
    if not isinstance(value, tuple | list) or len(value) != count:
        found = f"{len(value)} parts" if isinstance(value, tuple | list) else class_name(value)
        raise TypeError(
            f"{name}: found {found}, expected a tuple of {count}, as a call without out returns them"
        )
    return [(f"{name}[{place}]", part) for place, part in enumerate(value)]
