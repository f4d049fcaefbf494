"""Several arguments at once: a question for each, and one report."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jacobians.function import INPUT, Function
from jacobians.numerics.arguments import checked_option, shown
from jacobians.numerics.arrays import real_array
from jacobians.structures import Jacobian
from jacobians.structures.blocks import BlockRow
from verification.callables import require_function
from verification.problem import Problem
from verification.report import CheckReport

Judge = Callable[[Any, Any, Any, str], CheckReport]
"""From f, x, candidate and wrt of one question."""
Mixed = Callable[[Any, Any, Any, Mapping[str, Any], Sequence[str]], list[tuple[str, CheckReport]] | None]
"""From f, x, candidates, arguments and names: the reports on second derivatives by two, None if there are none."""


def is_several(x: Any, wrt: Any) -> bool:
    """Say whether a check is about several arguments: x is a tuple of arrays, or wrt holds several names.

    Examples
    --------
    >>> is_several((np.ones(2), np.ones(3)), "input"), is_several((1.0, 2.0), "input")
    (True, False)
    """
    return not isinstance(wrt, str) or (
        isinstance(x, tuple) and any(isinstance(part, np.ndarray) for part in x)
    )


def of_several(
    f: Any, x: Any, jacobian: Any, wrt: Any, judge: Judge, mixed: Mixed | None = None
) -> CheckReport:
    """Return one report on several arguments of plain code, or of a Function; `mixed` judges by two of them.

    Raises
    ------
    TypeError, ValueError
        If a name is none of an argument, or the candidates are more or fewer.
    """
    listed = [wrt] if isinstance(wrt, str) else wrt
    if not (isinstance(listed, list | tuple) and listed and all(isinstance(name, str) for name in listed)):
        raise TypeError(
            f"wrt: found {shown(wrt)}, expected 'input' or the name of a parameter of a Function, or several names"
        )
    names = None if wrt == INPUT else list(listed)
    if names is not None and len(set(names)) < len(names):
        raise ValueError(f"wrt: found {shown(names)}, expected names, each once")
    if isinstance(f, Function):
        names = [INPUT] if names is None else names
        known = [INPUT, *f.parameters]
        for name in names:
            checked_option(name, "wrt", known)
        if mixed is not None and jacobian is not None and len(names) > 1:
            point = real_array(x, "x")
            if (found := mixed(f, point, jacobian, {INPUT: point, **f.parameters}, names)) is not None:
                return _together(found)
        if jacobian is None:
            candidates: dict[str, Any] = dict.fromkeys(names)
        else:
            sizes = [np.size(x) if name == INPUT else np.size(f.parameters[name]) for name in names]
            candidates = _by_name(jacobian, names, sizes, (x,))
        return _together([(name, judge(f, x, candidates[name], name)) for name in names])
    require_function(f)
    if not isinstance(x, tuple):
        raise TypeError(
            f"wrt: found {shown(wrt)}, expected 'input' or the name of a parameter of a Function; of plain code x is "
            f"then a tuple of arrays, its arguments"
        )
    arguments = _arguments(f, x)
    floats = [
        name
        for name, value in arguments.items()
        if isinstance(value, float) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")
    ]
    names = floats if names is None else names
    for name in names:
        checked_option(name, "wrt", list(arguments))
    arrays = {name: real_array(arguments[name], name) for name in dict.fromkeys([*floats, *names])}
    found = mixed(f, x, jacobian, arguments, names) if mixed is not None and len(names) > 1 else None
    if found is not None:
        return _together(found)
    candidates = _by_name(jacobian, names, [arrays[name].size for name in names], tuple(arguments.values()))
    # the value is looked at once, with the arguments by their own names
    Problem(lambda one: f(*({**arguments, names[0]: one}.values())), arrays[names[0]])
    return _together(
        [
            (name, judge(_by_one(f, arguments, arrays, name), arrays[name], candidates[name], INPUT))
            for name in names
        ]
    )


def _arguments(f: Any, x: tuple[Any, ...]) -> dict[str, Any]:
    try:
        bound = inspect.signature(f).bind(*x)
    except TypeError:
        raise ValueError(
            f"x: found {len(x)} arguments, expected those that f takes: {inspect.signature(f)}"
        ) from None
    except ValueError:  # a function of C has none
        return {f"argument {k + 1}": value for k, value in enumerate(x)}
    names: list[str] = []
    for name, value in bound.arguments.items():
        several = bound.signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL
        names += [f"{name}[{k}]" for k in range(len(value))] if several else [name]
    return dict(zip(names, x, strict=True))


def _by_one(
    f: Any, arguments: Mapping[str, Any], arrays: Mapping[str, Any], name: str
) -> Callable[[Any], Any]:
    """Return f as a function of one of its arguments; the diagnosis knows the others by the names of `arrays`."""
    arrays = dict(arrays)

    def of_one(value: Any) -> Any:
        given = {**arguments, **{key: one.copy() for key, one in arrays.items()}, name: value}
        return f(*given.values())

    return of_one


def _by_name(jacobian: Any, names: Sequence[str], sizes: Sequence[int], x: tuple[Any, ...]) -> dict[str, Any]:
    """Return the candidates by the names of the arguments."""
    expected = f"{len(names)}, by {', '.join(names)}"
    if callable(jacobian) and not isinstance(jacobian, Jacobian):
        jacobian = jacobian(*(np.copy(part) if isinstance(part, np.ndarray) else part for part in x))
    if isinstance(jacobian, Mapping):
        missing = [name for name in names if name not in jacobian]
        if missing:
            raise ValueError(f"jacobian: found none by {', '.join(missing)}, expected {expected}")
        return {name: jacobian[name] for name in names}
    if isinstance(jacobian, BlockRow) and [block.shape[1] for block in jacobian.blocks] == list(sizes):
        jacobian = jacobian.blocks
    elif (
        isinstance(jacobian, np.ndarray | Jacobian)
        and len(jacobian.shape) == 2
        and jacobian.shape[1] == sum(sizes)
    ):
        whole = jacobian if isinstance(jacobian, np.ndarray) else jacobian.dense()
        jacobian = np.split(np.asarray(whole), np.cumsum(sizes)[:-1], axis=1)
    if not isinstance(jacobian, list | tuple):
        if len(names) == 1:
            return {names[0]: jacobian}
        raise ValueError(f"jacobian: found {shown(jacobian)}, expected a tuple, list or dict of {expected}")
    if len(jacobian) != len(names):
        raise ValueError(f"jacobian: found {len(jacobian)} candidates, expected {expected}")
    return dict(zip(names, jacobian, strict=True))


def _together(found: Sequence[tuple[str, CheckReport]]) -> CheckReport:
    """Return one report with a part for each argument; it is right if all are."""
    parts = tuple(replace(report, wrt=name) for name, report in found)
    good = sum(part.passed for part in parts)
    said = f"{good} of {len(parts)} derivatives {'is' if good == 1 else 'are'} right"
    for verdict in ("wrong", "undecided"):
        names = [part.wrt for part in parts if part.verdict == verdict]
        said += f"; {verdict}: {', '.join(names)}" if names else ""
    first = next((part for part in parts if part.verdict == "wrong"), None)
    first = first or next((part for part in parts if not part.passed), parts[0])
    return CheckReport(
        first.verdict, said, worst=first.worst, diagnosis=first.diagnosis, wrt=", ".join(part.wrt for part in parts),
        dtype=first.dtype, cause=first.cause, parts=parts,
    )  # fmt: skip
