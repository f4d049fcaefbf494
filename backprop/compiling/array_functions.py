"""Lines of scalars as functions of arrays, for engines that compile them: at a point, and as loops over points."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from backprop.compiling.entrywise import Scalar
from backprop.compiling.scalar_form import ScalarLines
from jacobians.numerics.arrays import Array

_MOST, _LEAST = 128, 16  # points that are laid out side by side
_CACHE = 2**15  # bytes: what is nearest to a core
_APART = 8  # more floats a row, or all rows would share a few places of the cache
_NAME = re.compile(r"\b(?:s\d+|x\d+_\d+)\b")


class Argument(NamedTuple):
    """An array that is taken: what it is called, its entries, its shape, and whether it has a first axis of points."""

    name: str
    entries: Sequence[Scalar]
    shape: tuple[int, ...]
    moves: bool


def _index(shape: tuple[int, ...], place: int) -> str:
    """Return what stands in brackets for an entry."""
    return ", ".join(map(str, map(int, np.unravel_index(place, shape)))) if shape else "()"


def straight_function(
    taken: Sequence[Argument], found: ScalarLines, given: Sequence[tuple[str, Array]]
) -> str:
    """Return a function of arrays that writes the entries of results into others.

    Parameters
    ----------
    taken : sequence of Argument
    found : ScalarLines
    given : sequence of (str, numpy.ndarray)
        Name and entries of each array that takes results.
    """
    body = [
        f"{entry.name} = {part.name}[{_index(part.shape, place)}]"
        for part in taken
        for place, entry in enumerate(part.entries)
    ]
    body += found.lines
    body += [
        f"{name}[{_index(dense.shape, place)}] = {found.text(entry)}"
        for name, dense in given
        for place, entry in enumerate(dense.flat)
    ]
    heading = f"def function({', '.join([*(part.name for part in taken), *(name for name, _ in given)])}):"
    return "\n    ".join([heading, *body]) + "\n"


def columns_function(taken: Sequence[Argument], found: ScalarLines) -> str:
    """Return a function of constants, of which it takes the first, and arrays, with the same axes of points before.

    It takes `keeping` and `joined` from around it: the first makes of the constant what keeps a result in memory, the
    other joins entries to an array of some shape on its last axes, beside those of another array.
    """
    arguments = [entry.name for part in taken for entry in part.entries]
    stages = _stages(found, arguments)
    body = ["keep = keeping(constants[0])"]
    for part in taken:
        index = [_index(part.shape, place) if part.shape else "" for place in range(len(part.entries))]
        body += [
            f"{entry.name} = {part.name}[...{', ' * bool(own)}{own}]"
            for entry, own in zip(part.entries, index, strict=True)
        ]
    loops: dict[int, list[str]] = {}
    for line in found.lines:
        loops.setdefault(stages[line.partition(" = ")[0]], []).append(line)
    for stage, lines in sorted(loops.items()):
        body += lines
        if stage % 2:
            names = ", ".join(line.partition(" = ")[0] for line in lines)
            body.append(f"{names}, = keep({names})")
    answers = [
        f"joined([{', '.join(map(found.text, dense.flat))}], {dense.shape}, {arguments[0]})"
        for dense in found.results
    ]
    heading = f"def function({', '.join(['constants', *(part.name for part in taken)])}):"
    return "\n    ".join([heading, *body, f"return {', '.join(answers)},"]) + "\n"


def looped_function(
    taken: Sequence[Argument], found: ScalarLines, given: Sequence[tuple[str, Array]], summed: bool
) -> str:
    """Return a loop over points: some of them side by side in rows, so that a line is a vector instruction.

    A call of the mathematical library, which has none, would keep a whole loop from vectors: those lines have
    loops of their own. The function takes `known` from around it: the entries of all results that are the same for
    all points, and 0 for the others and for sums.
    """
    moving = [part for part in taken if part.moves]
    answers = [entry for _, dense in given for entry in dense.flat]
    arguments = [entry.name for part in moving for entry in part.entries]
    stages = _stages(found, arguments)
    # arrays whose rows are as far apart as the compiler knows: of arguments, of what each loop makes for later ones,
    # and of results. A loop writes to none that it reads, or it would have to go from point to point
    rows = {name: ("columns", row) for row, name in enumerate(arguments)}
    crossing = _crossing(found, answers, stages, arguments)
    sizes = {"columns": len(arguments), "found": len(answers)}
    for name in (line.partition(" = ")[0] for line in found.lines):
        if name in crossing:
            array = f"made{stages[name]}"
            rows[name] = (array, sizes.get(array, 0))
            sizes[array] = rows[name][1] + 1
    total = 8 * sum(sizes.values())
    block = next((size for size in (_MOST, _MOST // 2, _MOST // 4) if size * total <= _CACHE), _LEAST)
    first = moving[0].name
    heading = f"def function({', '.join([*(part.name for part in taken), *(name for name, _ in given)])}):"
    flat = [
        f"flat_{name} = {name}.reshape({dense.size if summed else f'({name}.shape[0], {dense.size})'})"
        for name, dense in given
    ]
    body = [
        *flat,
        *(
            f"{entry.name} = {part.name}[{_index(part.shape, k)}]"
            for part in taken
            if not part.moves
            for k, entry in enumerate(part.entries)
        ),
        *(f"{array} = empty(({size}, {block + _APART}))" for array, size in sizes.items()),
        f"for k in range({len(answers)}):",
        f"    for i in range({block}):",
        "        found[k, i] = known[k]",
        f"for start in range(0, {first}.shape[0], {block}):",
        f"    count = min({block}, {first}.shape[0] - start)",
    ]
    for part in moving:
        if part.entries:
            body += _filling(part, rows[part.entries[0].name][1])
    for lines in _loops(found, answers, stages, rows, summed):
        body += ["    for i in range(count):", *(f"        {line}" for line in lines)]
    end = 0
    for name, dense in given:
        if summed:
            body.append(f"for k in range({end}, {end + dense.size}):")
            for half in _halves(block):
                body += [f"    for i in range({half}):", f"        found[k, i] += found[k, {half} + i]"]
            body.append(f"    flat_{name}[k - {end}] = found[k, 0]")
        else:
            body += ["    for i in range(count):", f"        for k in range({dense.size}):"]
            body.append(f"            flat_{name}[start + i, k] = found[{end} + k, i]")
        end += dense.size
    return "\n    ".join([heading, *body]) + "\n"


def _filling(part: Argument, row: int) -> list[str]:
    """Return the loops that lay the entries of an argument out in rows, a point a column."""
    keys = [f"k{axis}" for axis in range(len(part.shape))]
    lines, depth = [], "    "
    for key, size in zip(["i", *keys], ["count", *part.shape], strict=True):
        lines.append(f"{depth}for {key} in range({size}):")
        depth += "    "
    strides = [math.prod(part.shape[axis + 1 :]) for axis in range(len(keys))]
    place = " + ".join([str(row), *(f"{stride} * {key}" for stride, key in zip(strides, keys, strict=True))])
    return [*lines, f"{depth}columns[{place}, i] = {part.name}[{', '.join(['start + i', *keys])}]"]


def _halves(size: int) -> list[int]:
    """Return size/2, size/4, …, 1: a sum by halves is one of vectors.

    Examples
    --------
    >>> _halves(16)
    [8, 4, 2, 1]
    """
    return [size >> bits for bits in range(1, size.bit_length())]


def _loops(
    found: ScalarLines,
    answers: Sequence[Any],
    stages: dict[str, int],
    rows: dict[str, tuple[str, int]],
    summed: bool,
) -> list[list[str]]:
    """Return the lines of each loop over the points of a block."""
    loops: dict[int, list[str]] = {}
    for line in found.lines:
        name = line.partition(" = ")[0]
        loops.setdefault(stages[name], []).append(line)
        if name in rows:
            array, row = rows[name]
            loops[stages[name]].append(f"{array}[{row}, i] = {name}")
    for k, entry in enumerate(answers):
        if isinstance(entry, Scalar) or summed:
            text = found.text(entry)
            stage = max((stages.get(name, 0) for name in _NAME.findall(text)), default=0)
            loops.setdefault(stage, []).append(f"found[{k}, i] {'+' if summed else ''}= {text}")
    whole = []
    for _, lines in sorted(loops.items()):
        made = {line.partition(" = ")[0] for line in lines}
        read = dict.fromkeys(name for line in lines for name in _NAME.findall(line.partition("= ")[2]))
        loads = [
            "{} = {}[{}, i]".format(name, *rows[name]) for name in read if name in rows and name not in made
        ]
        whole.append([*loads, *lines])
    return whole


def _stages(found: ScalarLines, given: Iterable[str]) -> dict[str, int]:
    """Return the number of the loop of each line: even ones are for vectors, odd ones for what stands alone."""
    stages = dict.fromkeys(given, 0)
    for line in found.lines:
        name, _, expression = line.partition(" = ")
        earliest = max((stages.get(read, 0) for read in _NAME.findall(expression)), default=0)
        alone = int(name in found.alone)
        stages[name] = earliest + (earliest % 2 != alone)
    return stages


def _crossing(found: ScalarLines, answers: Any, stages: dict[str, int], inputs: Any) -> set[str]:
    """Return the names that another loop reads than the one that makes them."""
    crossing = set()
    for line in found.lines:
        name, _, expression = line.partition(" = ")
        crossing |= {
            read for read in _NAME.findall(expression) if stages.get(read, stages[name]) != stages[name]
        }
    for entry in answers:
        read = _NAME.findall(found.text(entry))
        last = max((stages.get(name, 0) for name in read), default=0)
        crossing |= {name for name in read if stages.get(name, last) != last}
    return crossing - set(inputs)
