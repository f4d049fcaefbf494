"""Questions on a chain of dense matrices: how few multiplications it takes, and a bracketing that takes no more."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jacobians.planning.hu_shing import dense_bracketing

LONGEST = 2000
_TOKEN = re.compile(r"\s*(?:([A-Za-z]\d*)|([()])|([*·@×]))")


class BracketingError(ValueError):
    """The text is no bracketing of the chain; the message is for the student."""


def fewest_multiplications(sizes: Sequence[int]) -> int:
    """Return Σ m·k·n over the products of the cheapest bracketing of factors sizes[i] × sizes[i + 1].

    Examples
    --------
    >>> fewest_multiplications([10, 100, 5, 50])
    7500
    """
    if len(sizes) <= 2:
        return 0
    _, (rows, inner, columns) = dense_bracketing(list(sizes))
    return sum(m * k * n for m, k, n in zip(rows, inner, columns, strict=True))


def multiplications_of(text: str, sizes: Sequence[int]) -> int:
    """Return what a bracketing costs, such as ``(AB)C``: what has no brackets is multiplied from the left.

    Parameters
    ----------
    text : str
        The factors, each a letter that digits may follow, once and in the order of the chain; signs of multiplication
        may stand between them.
    sizes : sequence of int
        Factor i is sizes[i] × sizes[i + 1].

    Raises
    ------
    BracketingError
        If it is not one of this chain.

    Examples
    --------
    >>> multiplications_of("(AB)C", [10, 100, 5, 50]), multiplications_of("A·(B·C)", [10, 100, 5, 50])
    (7500, 75000)
    """
    count = len(sizes) - 1
    # of each open bracket, what stands in it so far: the places of its first and last factor
    stack: list[tuple[int, int] | None] = [None]
    cost, place, names, end = 0, 0, [], 0
    for match in _TOKEN.finditer(text.strip()):
        if match.start() != end:
            break
        end = match.end()
        name, bracket, _ = match.groups()
        if bracket == "(":
            stack.append(None)
            continue
        if name:
            part: tuple[int, int] | None = (place, place + 1)
            names.append(name)
            place += 1
        elif bracket == ")":
            part = stack.pop()
            if part is None or not stack:
                raise BracketingError("its brackets are not balanced, or one is empty")
        else:
            continue
        assert part is not None
        if place > count:
            raise BracketingError(f"it has more than the {count} factors of the chain")
        before = stack[-1]
        if before is not None:
            cost += sizes[before[0]] * sizes[part[0]] * sizes[part[1]]
            part = (before[0], part[1])
        stack[-1] = part
    if end != len(text.strip()):
        raise BracketingError("it holds something else than factors, brackets and signs of multiplication")
    if len(stack) != 1:
        raise BracketingError("its brackets are not balanced, or one is empty")
    if place != count:
        raise BracketingError(f"it has {place} factors, expected {count}")
    if names != sorted(set(names), key=lambda name: (name[0], int(name[1:] or 0))):
        raise BracketingError("its factors are not those of the chain, each once and in order")
    return cost
