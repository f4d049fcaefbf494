"""Names for what is repeated in a formula: ``(diag(p) − p·pᵀ)·A where p = softmax(A·x)``.

Trees share their parts, so that a formula whose parts are printed out may be exponentially longer than the tree. With a
name for each part that is long and repeated, text and time grow with the number of different parts.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from itertools import groupby, pairwise
from typing import NamedTuple

from jacobians.formulas.tree import Node, add, had, is_number, mul, name, num

WORTH = {2: 12, 3: 5}
"""How long a part is that is named when it occurs twice, and three times or more, in symbols."""

_NAMEABLE = {"add", "mul", "div", "had", "hdiv", "kron", "khatri", "pow", "epow", "call", "index", "stack"}
_OWN = {"softmax": "p", "sigmoid": "s", "tanh": "t", "diag": "D"}
_LETTERS = {
    "matrix": ("M", "H", "G", "R", "S"),
    "number": ("c", "q", "k", "r"),
    "column": ("u", "v", "w", "z", "g"),
    "row": ("u", "v", "w", "z", "g"),
}
_FLAT: dict[str, Callable[..., Node]] = {"add": add, "mul": mul, "had": had}


class Named(NamedTuple):
    """A tree with names in place of what is repeated, and what they stand for, in order."""

    tree: Node
    parts: tuple[tuple[str, Node], ...]


def named(
    tree: Node, kind: Callable[[Node], str], taken: Collection[str], lines: Callable[[], Mapping[Node, str]]
) -> Named:
    """Return a tree with names for the parts that are long and repeated.

    Parameters
    ----------
    tree : Node
        What is printed.
    kind : callable
        What a part is: "number", "column", "row" or "matrix".
    taken : collection of str
        Names and sizes that have a meaning already.
    lines : callable
        The names that the formula's own lines give to parts.
    """
    order, parts = _distinct(tree)
    times = [0] * len(order)
    times[-1] = 1
    chosen: list[int] = []
    for place in range(len(order) - 1, -1, -1):  # a part comes after all that it stands in
        node, occurs = order[place], times[place]
        if occurs > 1 and node.op in _NAMEABLE and node.weight >= WORTH[min(occurs, 3)]:
            chosen.append(place)
            occurs = 1
        for part in parts[place]:
            times[part] += occurs
    if not chosen:
        return Named(tree, ())
    own = lines()
    made: dict[int, Node] = {}
    found: list[tuple[str, Node]] = []
    used = set(taken)
    for place, node in enumerate(order):
        args = tuple(made[part] for part in parts[place])
        same = all(a is b for a, b in zip(args, node.args, strict=True))
        whole = node if same else replace(node, args=args, span=None)
        if not same and node.op in _FLAT:
            whole = _FLAT[node.op](*args)
        if place in chosen:
            word = own.get(node) or next(letter for letter in _words(node, kind) if letter not in used)
            used.add(word)
            found.append((word, whole))
            whole = replace(name(word), symmetric=node.symmetric)
        made[place] = whole
    return Named(made[len(order) - 1], tuple(found))


def with_powers(tree: Node) -> Node:
    """Return a tree with a power for equal factors beside one another: X·X·X is X³, Xᵀ·Xᵀ is (X²)ᵀ."""
    made: dict[int, Node] = {}

    def of(node: Node) -> Node:
        if id(node) not in made:
            args = tuple(of(arg) for arg in node.args)
            same = all(a is b for a, b in zip(args, node.args, strict=True))
            whole = node if same else replace(node, args=args)
            if node.op == "mul" and any(a == b for a, b in pairwise(args)):
                whole = mul(*(_power(factor, len(list(run))) for factor, run in groupby(args)))
            made[id(node)] = whole
        return made[id(node)]

    return of(tree)


def _power(factor: Node, times: int) -> Node:
    if times == 1 or factor.op in ("num", "size"):
        return mul(*[factor] * times)
    if factor.op == "T":
        return Node("T", (_power(factor.args[0], times),))
    if factor.op == "pow" and is_number(factor.args[1]):
        return Node("pow", (factor.args[0], num(factor.args[1].value * times)))
    return Node("pow", (factor, num(times)), symmetric=factor.symmetric)


def _distinct(tree: Node) -> tuple[list[Node], list[list[int]]]:
    """Return the different parts of a tree, inner ones first, and of which others each is made."""
    places: dict[object, int] = {}
    seen: dict[int, int] = {}
    order: list[Node] = []
    parts: list[list[int]] = []
    stack = [(tree, False)]
    while stack:
        node, ready = stack.pop()
        if id(node) in seen:
            continue
        if not ready:
            stack.append((node, True))
            stack += [(arg, False) for arg in reversed(node.args)]
            continue
        inside = [seen[id(arg)] for arg in node.args]
        key = (node.op, node.value, *inside)
        if key not in places:
            places[key] = len(order)
            order.append(node)
            parts.append(inside)
        seen[id(node)] = places[key]
    return order, parts


def _words(node: Node, kind: Callable[[Node], str]) -> Iterator[str]:
    function = node.value if isinstance(node.value, str) else (node.value or ("",))[0]
    if node.op == "call" and function in _OWN:
        yield _OWN[function]
    letters = _LETTERS[kind(node)]
    yield from letters
    number = 1
    while True:
        yield f"{letters[0]}{number}"
        number += 1


MOST_NESTED_PARTS = 40
"""Up to how many parts are named where they are read first; Python nests no more than 200 brackets."""


def with_parts(code: str, parts: tuple[tuple[str, str], ...]) -> str:
    """Return an expression of Python in which each name is assigned where it is first read.

    Python evaluates from the left, so that the first place in the text is the first in time.

    Examples
    --------
    >>> with_parts("u + v*u", (("u", "np.exp(x)"), ("v", "u @ u")))
    '(u := np.exp(x)) + (v := u @ u)*u'
    """
    if len(parts) > MOST_NESTED_PARTS:
        lines = ", ".join(f"{word} := {meaning}" for word, meaning in parts)
        return f"[{lines}, {code}][-1]"
    for word, meaning in reversed(parts):
        place = next(_uses(code, word), None)
        if place is not None:
            code = f"{code[:place]}({word} := {meaning}){code[place + len(word) :]}"
    return code


def _uses(code: str, word: str) -> Iterator[int]:
    """Return where a name is read in an expression; it is one line."""
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.NAME and token.string == word and before != ".":
            yield token.start[1]
        before = token.string
