"""A trace entry by entry as lines of code: those of Python's floats, and of engines that compile them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backprop.compiling.entrywise import (
    FUNCTIONS,
    MOST_ENTRIES,
    TEMPLATES,
    Code,
    NotScalarError,
    Scalar,
    Straight,
    entries,
)
from jacobians.numerics.arrays import Array

_CALL = re.compile(r"[a-z_0-9]+\(")
# Measured with CPython 3.11 and NumPy 2.4: one line of NumPy on small arrays takes as long as about so many
# operations on Python's floats.
_OPERATIONS_A_LINE = 25


@dataclass(frozen=True)
class ScalarLines:
    """A trace entry by entry.

    Attributes
    ----------
    inputs : dict of str to list of Scalar
        The entries of the arguments, with their names.
    results : list of numpy.ndarray
        Dense results, of scalars and floats.
    lines : list of str
        One assignment each.
    text : callable
        From an entry of the results to an expression.
    operations : set of str
        What is done somewhere.
    alone : set of str
        The names of the lines that were asked to stand alone.
    """

    inputs: dict[str, list[Scalar]]
    results: list[Array]
    lines: list[str]
    text: Callable[[Any], str]
    operations: set[str]
    alone: set[str]


def scalar_lines(
    trace: Straight,
    *,
    several: bool,
    rewritten: Callable[[list[Scalar]], None] = lambda scalars: None,
    templates: Mapping[str, str] = TEMPLATES,
    apart: Collection[str] = (),
    single: bool = False,
) -> ScalarLines:
    """Return the lines of a trace entry by entry.

    Parameters
    ----------
    trace : Trace or GraphTrace
    several : bool
        Whether there are several arguments, whose entries are called x0_0, x0_1, … then.
    rewritten : callable, optional
        May change the operations of numbers, in the order in which they are computed.
    templates : mapping of str to str, optional
        The expressions of operations, by default those of Python.
    apart : collection of str, optional
        The operations that get a line of their own each.
    single : bool
        Whether float32 is right too, for expressions that keep it.

    Raises
    ------
    NotScalarError
        If there is no such form.
    """
    if sum(math.prod(node.shape) for node in trace.nodes if id(node) not in trace.once) > MOST_ENTRIES:
        raise NotScalarError("too many operations")
    code = Code()
    inputs, results = entries(trace, code, single=single)
    if not inputs:
        raise NotScalarError("a Jacobian that does not depend on x")
    rewritten(code.scalars)
    live: set[int] = set()
    flat = [entry for dense in results for entry in dense.flat]
    _mark([entry for entry in flat if isinstance(entry, Scalar)], live)
    scalars = [scalar for scalar in code.scalars if id(scalar) in live]
    uses = Counter(
        id(operand) for scalar in scalars for operand in scalar.operands if isinstance(operand, Scalar)
    )
    uses.update(id(entry) for entry in flat if isinstance(entry, Scalar))
    for number, own in enumerate(inputs.values()):
        for place, entry in enumerate(own):
            entry.name = f"x{number}_{place}" if several else f"x{place}"
    names = iter(range(1, len(scalars) + 1))
    lines: list[str] = []
    expressions: dict[int, str] = {}
    alone: set[str] = set()

    def text(value: Any) -> str:
        if not isinstance(value, Scalar):
            return _literal(value)
        call = _CALL.match(templates.get(value.operation, ""))
        return value.name or (expressions[id(value)] if call else f"({expressions[id(value)]})")

    for scalar in scalars:
        template = templates[scalar.operation]
        written = template.format(*map(text, scalar.operands))
        repeated = any(template.count(f"{{{place}}}") > 1 for place in range(2))
        by_itself = scalar.operation in apart
        if uses[id(scalar)] == 1 and len(written) <= 80 and not repeated and not by_itself:
            expressions[id(scalar)] = written
        else:
            scalar.name = f"s{next(names)}"
            lines.append(f"{scalar.name} = {written}")
            if by_itself:
                alone.add(scalar.name)
    return ScalarLines(inputs, results, lines, text, {scalar.operation for scalar in scalars}, alone)


def scalar_form(trace: Straight, title: str, arguments: Sequence[str] | None = None) -> str:
    """Return a module whose function `make` takes a function for non-finite numbers and returns `jacobian`.

    Parameters
    ----------
    trace : Trace or GraphTrace
    title : str
        The first line of the docstring.
    arguments : sequence of str, optional
        Where there are several: the function is called `jacobians` then, and returns a tuple. By default it takes x.

    Raises
    ------
    NotScalarError
        If there is no such form.
    """
    found = scalar_lines(trace, several=arguments is not None)
    functions = [
        name for name in FUNCTIONS if any(re.search(rf"\b{name}\(", TEMPLATES[op]) for op in found.operations)
    ]
    return _module(title, trace, arguments, found, functions)


def _mark(ends: list[Scalar], live: set[int]) -> None:
    waiting = list(ends)
    while waiting:
        scalar = waiting.pop()
        if id(scalar) not in live:
            live.add(id(scalar))
            waiting += [operand for operand in scalar.operands if isinstance(operand, Scalar)]


def _literal(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    number = float(value)
    if not math.isfinite(number):
        raise NotScalarError("a constant that is not finite")
    return f"({number!r})" if number < 0 or str(number).startswith("-") else repr(number)


def _module(
    title: str,
    trace: Straight,
    arguments: Sequence[str] | None,
    found: ScalarLines,
    functions: list[str],
) -> str:
    inputs, results, lines, text = found.inputs, found.results, found.lines, found.text
    # an entry that has a name already needs no other one
    flat = [entry for dense in results for entry in dense.flat]
    named = [entry.name if isinstance(entry, Scalar) else "" for entry in flat]
    answers = [name or f"j{place}" for place, name in enumerate(named)]
    shapes = {node.function: node.shape for node in trace.nodes if node.kind == "input"}
    unpacked = []
    for name, own in inputs.items():
        if arguments is not None and shapes[name] == ():
            unpacked.append(f"{own[0].name} = {name}.item()")
            continue
        targets = ", ".join(entry.name for entry in own) + ("," if len(own) == 1 else "")
        unpacked.append(f"{targets} = {name if len(shapes[name]) == 1 else f'{name}.ravel()'}.tolist()")
    calls = [
        f"{answer} = {text(entry)}"
        for answer, name, entry in zip(answers, named, flat, strict=True)
        if not name
    ]
    body = [*unpacked, *lines, *calls, f"total = {' + '.join(answers)}"]
    tried = "\n".join(f"            {line}" for line in body)
    imports = f"from math import {', '.join(functions)}\n" if functions else ""
    taken = "x" if arguments is None else ", ".join(arguments)
    called = "jacobian" if arguments is None else "jacobians"
    ends = np.cumsum([0, *(dense.size for dense in results)]).tolist()
    shape: tuple[int, ...] = (ends[-1],)
    if arguments is None:
        shape, answer = results[0].shape, "result"
    elif len({dense.shape for dense in results}) == 1:
        shape, answer = (len(results), *results[0].shape), "tuple(result)"
    else:  # parts of one array, which don't overlap
        parts = [
            f"result[{start}:{stop}].reshape({dense.shape})"
            for start, stop, dense in zip(ends, ends[1:], results, strict=False)
        ]
        answer = f"({', '.join(parts)},)"
    return (
        f"{imports}from struct import Struct\n\nimport numpy as np\n\n\n"
        f'def make(arrays):\n    """{title}\n\n    Takes the function for numbers that overflow or are not finite.\n'
        f'    Cost of a call: {trace.cost}.\n    """\n'
        f'    pack = Struct("{ends[-1]}d").pack_into\n    empty = np.empty\n\n'
        f"    def {called}({taken}):\n        try:\n{tried}\n"
        f"        except (ArithmeticError, ValueError):\n            return arrays({taken})\n"
        f"        if total - total != 0.0:\n            return arrays({taken})\n"
        f"        result = empty({shape})\n        pack(result, 0, {', '.join(answers)})\n        return {answer}\n\n"
        f"    return {called}\n"
    )


def is_small(trace: Straight) -> bool:
    """Return whether Python's floats are likely to be faster than NumPy's calls."""
    calls = [node for node in trace.nodes if id(node) not in trace.once and node.kind in _CALLS]
    operations = sum(max(int(np.prod(node.shape)), node.cost.flops) for node in calls)
    operations += sum(
        int(np.prod(node.shape)) * 2 * node.args[0].shape[-1]
        for node in calls
        if node.function is np.matmul and not node.cost.flops
    )
    return operations <= _OPERATIONS_A_LINE * len(calls)


_CALLS = ("ufunc", "function", "method", "write")
