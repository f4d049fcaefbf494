"""A function of one point at many: entry by entry on columns of points, or a point after the other."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from backprop.compiling.entrywise import TEMPLATES
from backprop.compiling.nodes import Node
from backprop.compiling.numpy_functions import GraphTrace
from backprop.compiling.scalar_form import scalar_lines
from jacobians.numerics.arrays import Array
from jacobians.numerics.float_errors import without_float_errors

_ELSEWHERE = ("erf", "erfc", "ndtr")  # functions of scipy.special
_COLUMN = 1024  # points at once: a column of floats is 8 kB, and some hundred of them stay in a cache


def _template(operation: str) -> str:
    template = TEMPLATES[operation]
    if re.fullmatch(r"\{\} [-+*/<>=!]+ \{\}|-\{\}|1\.0 / \{\}|\{0\} \* \{0\}", template):
        return template
    places = max(template.count("{}"), len(set(re.findall(r"\{\d\}", template))))
    return f"{operation}({', '.join(['{}'] * places)})"


COLUMNS = {operation: _template(operation) for operation in TEMPLATES}
"""The operations on columns of points, by NumPy's functions."""


def by_columns(trace: GraphTrace, title: str) -> tuple[Callable[..., tuple[Array, ...]], str]:
    """Return a function of arrays (N, …) that returns arrays (N, m, n), and its code for some points at once.

    Parameters
    ----------
    trace : GraphTrace
        At one point.
    title : str
        The first line of the docstring.

    Raises
    ------
    NotScalarError
        If the trace has no form entry by entry.
    """
    found = scalar_lines(trace, several=True, templates=COLUMNS)
    names = sorted({COLUMNS[op].partition("(")[0] for op in found.operations if "(" in COLUMNS[op]})
    special = [name for name in names if name in _ELSEWHERE]
    usual = ["ascontiguousarray", "empty", *(name for name in names if name not in special)]
    lines = []
    for name in trace.arguments:
        own = found.inputs.get(name, [])
        if own:
            lines.append(
                f"{', '.join(entry.name for entry in own)}, = ascontiguousarray({name}.reshape(count, {len(own)}).T)"
            )
    lines += found.lines
    for place, dense in enumerate(found.results):
        lines.append(f"r{place} = empty((count, {', '.join(map(str, dense.shape))}))")
        lines += [
            f"r{place}[:, {', '.join(map(str, np.unravel_index(k, dense.shape)))}] = {found.text(entry)}"
            for k, entry in enumerate(dense.flat)
        ]
    imports = [f"from numpy import {', '.join(usual)}"]
    imports += [f"from scipy.special import {', '.join(special)}"] if special else []
    first = next(iter(trace.arguments))
    answer = ", ".join(f"r{place}" for place in range(len(found.results)))
    body = "\n    ".join([f'"""{title}"""', f"count = len({first})", *lines, f"return {answer},"])
    source = "\n".join([*imports, "", "", f"def jacobians({', '.join(trace.arguments)}):", f"    {body}", ""])
    namespace: dict[str, Any] = {}
    exec(source, namespace)  # code that this library has written from its own operations
    some = namespace["jacobians"]

    @without_float_errors
    def call(*arrays: Array) -> tuple[Array, ...]:
        count = len(arrays[0])
        if count <= _COLUMN:
            result: tuple[Array, ...] = some(*arrays)
            return result
        results = tuple(np.empty((count, *dense.shape)) for dense in found.results)
        for start in range(0, count, _COLUMN):
            piece = slice(start, start + _COLUMN)
            for whole, part in zip(results, some(*(array[piece] for array in arrays)), strict=True):
                whole[piece] = part
        return results

    return call, source


def one_by_one(code: Callable[..., Any], returned: list[Node]) -> Callable[..., tuple[Array, ...]]:
    """Return a function of arrays (N, …) that runs the code of one point at each.

    Parameters
    ----------
    code : callable
        Returns a tuple of arrays at a point.
    returned : list of Node
        What it returns.
    """

    def call(*arrays: Array) -> tuple[Array, ...]:
        count = len(arrays[0])
        results = tuple(np.empty((count, *node.shape), node.dtype) for node in returned)
        for place in range(count):
            for whole, part in zip(results, code(*(array[place, ...] for array in arrays)), strict=True):
                whole[place] = part
        return results

    return call
