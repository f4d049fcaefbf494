"""What a bracketing is, and how one of any depth is written down flat."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar, Union

T = TypeVar("T")

Tree = Union[int, tuple["Tree", "Tree"]]  # noqa: UP007  # `|` can't name a type that is not yet defined
"""A bracketing: a factor's index, or a pair of bracketings."""

JOINT = -1
"""What stands for a product in a flat bracketing."""


def flat(root: Any, parts: Callable[[Any], Any] | None = None) -> tuple[int, ...]:
    """Return a bracketing in postfix form: both sides, then :data:`JOINT`.

    Pairs within pairs within … can't be pickled, copied or compared beyond Python's limit of recursion; this can.

    Parameters
    ----------
    root : object
        The bracketing, or what `parts` takes apart.
    parts : callable, optional
        From the root or a part of it to an index or a pair of parts.

    Examples
    --------
    >>> flat(((0, 1), 2))
    (0, 1, -1, 2, -1)
    """
    reverse: list[int] = []
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if parts is not None:
            part = parts(part)
        if isinstance(part, tuple):
            reverse.append(JOINT)
            waiting += part
        else:
            reverse.append(part)
    reverse.reverse()
    return tuple(reverse)


def nested(parts: Iterable[int]) -> Tree:
    """Return the bracketing that :func:`flat` wrote down.

    Examples
    --------
    >>> nested((0, 1, -1, 2, -1))
    ((0, 1), 2)
    """

    def pair(left: Tree, right: Tree) -> Tree:
        return left, right

    return folded(parts, int, pair)


def fold(
    root: Any,
    leaf: Callable[[int], T],
    join: Callable[[T, T], T],
    parts: Callable[[Any], Any] | None = None,
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
    parts : callable, optional
        From the root or a part of it to an index or a pair of parts.

    Examples
    --------
    >>> fold(((0, 1), 2), "abc".__getitem__, "({}·{})".format)
    '((a·b)·c)'
    """
    return folded(flat(root, parts), leaf, join)


def folded(postfix: Iterable[int], leaf: Callable[[int], T], join: Callable[[T, T], T]) -> T:
    """Return what :func:`fold` does of a bracketing that :func:`flat` wrote down.

    Examples
    --------
    >>> folded((0, 1, -1, 2, -1), "abc".__getitem__, "({}·{})".format)
    '((a·b)·c)'
    """
    formed: list[T] = []
    for part in postfix:
        if part == JOINT:
            right = formed.pop()
            formed[-1] = join(formed[-1], right)
        else:
            formed.append(leaf(part))
    return formed[0]


def unfolded(whole: Any, parts: Callable[[Any], Any]) -> Tree:
    """Return the bracketing of which `parts` names the two sides of an interval."""

    def pair(left: Any, right: Any) -> Any:
        return left, right

    tree: Tree = fold(whole, int, pair, parts)
    return tree
