"""What a bracketing is, and how one of any depth is written down flat."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, Union

T = TypeVar("T")

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


def fold(
    root: Any,
    leaf: Callable[[int], T],
    join: Callable[[T, T], T],
    parts: Callable[[Any], Any] = lambda tree: tree,
) -> T:
    """Return what the joints of a bracketing make of its leaves: left sides first, without recursion.

    Parameters
    ----------
    root : object
        The bracketing, or what `parts` takes apart.
    leaf : callable
        From the index of a factor to its value.
    join : callable
        From the values of both sides to that of the product.
    parts : callable
        From the root or a part of it to an index or a pair of parts.

    Examples
    --------
    >>> fold(((0, 1), 2), "abc".__getitem__, "({}·{})".format)
    '((a·b)·c)'
    """
    formed: list[T] = []
    waiting = [(root, False)]
    while waiting:
        node, joined = waiting.pop()
        if joined:
            right = formed.pop()
            formed.append(join(formed.pop(), right))
            continue
        found = parts(node)
        if isinstance(found, tuple):
            waiting += [(node, True), (found[1], False), (found[0], False)]
        else:
            formed.append(leaf(found))
    return formed[0]
