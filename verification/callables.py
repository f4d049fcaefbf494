"""The doors of functions: what can't be called with an array is refused before anything runs."""

from __future__ import annotations

import inspect
from typing import Any

from jacobians.function import Function
from jacobians.names import class_name, printable
from jacobians.numerics.arguments import shown


def require_function(f: Any) -> None:
    """Raise TypeError unless `f` is a Function or a function of arrays."""
    if isinstance(f, type) and not str(f.__module__).startswith("sympy"):
        raise TypeError(f"f: found the class {class_name(f)}, expected a Function or a function of one array")
    if str((f if isinstance(f, type) else type(f)).__module__).split(".")[0] == "sympy":
        raise TypeError(
            f"f: found {shown(f)} of sympy, expected a function of arrays, such as sympy.lambdify(symbols, …)"
        )
    if not callable(f):
        raise TypeError(f"f: found {class_name(f)}, expected a Function or a function of one array")


def require_arguments(f: Any, name: str, count: int) -> None:
    """Raise TypeError if `f` says by its signature that it can't be called with some arrays, or is asynchronous.

    Examples
    --------
    >>> require_arguments(lambda x, y: x, "f", 1)
    Traceback (most recent call last):
    ...
    TypeError: f: found <lambda>(x, y), expected a function of one array; bind the others: lambda x: <lambda>(x, …)
    """
    called = printable(str(getattr(f, "__name__", class_name(f))))
    if inspect.iscoroutinefunction(f):
        raise TypeError(f"{name}: found the async function {called}, expected one that returns an array")
    if isinstance(f, Function):
        return
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):  # of some built-in functions nothing is known
        return
    try:
        signature.bind(*[None] * count)
    except TypeError:
        written = printable(str(signature))
        written = written if len(written) <= 60 else f"{written[:59]}…"
        arrays = "one array" if count == 1 else f"{count} arrays"
        names = ", ".join("xyz"[:count])
        way_out = f"; bind the others: lambda {names}: {called}({names}, …)" * (
            len(signature.parameters) > count
        )
        raise TypeError(
            f"{name}: found {called}{written}, expected a function of {arrays}{way_out}"
        ) from None
