"""Plain NumPy code of several arrays as a network: the first is the input, the others are parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jacobians import Function, from_numpy


def network_of(
    code: Callable[..., Any], arguments: Sequence[Any] | Mapping[str, Any]
) -> tuple[Function, Any]:
    """Return code with all of its arguments but the first as parameters, and the first argument.

    Parameters
    ----------
    code : callable
        Plain NumPy code of one or several arrays.
    arguments : sequence or mapping of str to array_like
        In the order of the code's parameters, or by their names.

    Raises
    ------
    TypeError
        If they are not one for each parameter of the code.

    Examples
    --------
    >>> import numpy as np
    >>> network, x = network_of(lambda x, W: W @ x, [[1.0, 2.0], [[3.0, 4.0]]])
    >>> network(x), list(network.parameters)
    (array([11.]), ['W'])
    """
    try:
        parameters: list[inspect.Parameter] | None = list(inspect.signature(code).parameters.values())
    except (TypeError, ValueError):  # not all built-in functions tell theirs
        parameters = None
    named = [p for p in parameters or () if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if parameters == []:
        raise TypeError(
            f"network: found {getattr(code, '__name__', 'code')}(), which takes no array, expected one or more"
        )
    names = [p.name for p in named] if parameters is not None and len(named) == len(parameters) else ["x"]
    given = isinstance(arguments, Mapping)
    found = dict(arguments) if given else dict(zip(names, arguments, strict=False))
    needed = [p.name for p in named if p.default is p.empty] or names[:1]
    if not set(needed) <= set(found) <= set(names) or names[0] not in found or len(found) < len(arguments):
        told = ", ".join(map(str, arguments)) if given else f"{len(arguments)}"
        raise TypeError(
            f"x: found {told or 'nothing'}, expected an array for each of {', '.join(needed)}, the arguments of "
            f"{getattr(code, '__name__', 'the code')}; by name they are a mapping"
        )
    return from_numpy(code, {name: value for name, value in found.items() if name != names[0]}), found[
        names[0]
    ]
