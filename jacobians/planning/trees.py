"""What a bracketing is, and how one of any depth is written down flat."""

from collections.abc import Iterable
from typing import Union

Tree = Union[int, tuple["Tree", "Tree"]]  # noqa: UP007  # `|` can't name a type that is not yet defined
"""A bracketing: a factor's index, or a pair of bracketings."""

JOINT = -1
"""What stands for a product in a flat bracketing."""


def flat(tree: Tree) -> tuple[int, ...]:
    """Return a bracketing in postfix form: both sides, then :data:`JOINT`.

    Pairs within pairs within … can't be pickled, copied or compared beyond Python's limit of recursion; this can.

    Examples
    --------
    >>> flat(((0, 1), 2))
    (0, 1, -1, 2, -1)
    """
    reverse: list[int] = []
    waiting = [tree]
    while waiting:
        part = waiting.pop()
        if isinstance(part, tuple):
            reverse.append(JOINT)
            waiting += part
        else:
            reverse.append(part)
    return tuple(reversed(reverse))


def nested(parts: Iterable[int]) -> Tree:
    """Return the bracketing that :func:`flat` wrote down.

    Examples
    --------
    >>> nested((0, 1, -1, 2, -1))
    ((0, 1), 2)
    """
    formed: list[Tree] = []
    for part in parts:
        if part == JOINT:
            right, left = formed.pop(), formed.pop()
            formed.append((left, right))
        else:
            formed.append(part)
    (tree,) = formed
    return tree
