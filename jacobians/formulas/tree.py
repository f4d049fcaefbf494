"""The tree of a written formula: what the parser makes of text, and what the printers write.

One kind of node serves both, so that what is printed can be read back: a formula typed by a person and a derivative
found by us differ in nothing but who wrote them.

====== ================================== =========================
op     args                               value
====== ================================== =========================
num    –                                  a Fraction
name   –                                  the name
size   –                                  a tuple of sizes: their product as a number
eye    –                                  a size
ones   –                                  a size: a column
zeros  –                                  sizes of the rows and columns
comm   –                                  sizes (m, n) of the commutation matrix K_m,n
add    terms                              –
neg    one                                –
mul    factors of a matrix product        –
div    numerator and denominator          –
had    factors, entry by entry            –
hdiv   two, entry by entry                –
kron   factors                            –
khatri factors                            –: Kronecker products column by column (Khatri–Rao), ∗
T      one                                –
pow    base and exponent, of a matrix or number
epow   base and exponent, entry by entry  –
call   arguments                          the function's name
index  one                                rows and columns: None, a number or (start, stop)
stack  parts                              "rows" (one under another) or "columns"
====== ================================== =========================
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

MOST_NESTED = 100
"""How deep a formula may be nested."""


class FormulaError(ValueError):
    """A formula, or what was said of it, is not understood; the sentence names the part and the way out."""


class ShapeError(FormulaError):
    """Sizes of a formula do not match; the sentence names the part, both sizes and the way out."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a formula's tree."""

    op: str
    args: tuple[Node, ...] = ()
    value: Any = None
    span: tuple[int, int] | None = field(default=None, compare=False, repr=False)
    depth: int = field(default=0, compare=False, repr=False)
    weight: int = field(default=0, compare=False, repr=False)  # how many symbols it takes
    key: int = field(default=0, compare=False, repr=False)
    symmetric: bool = field(default=False, compare=False, repr=False)  # its transpose is itself

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", 1 + max((arg.depth for arg in self.args), default=0))
        object.__setattr__(self, "weight", _weight(self))
        object.__setattr__(self, "key", hash((self.op, self.value, tuple(arg.key for arg in self.args))))

    def __hash__(self) -> int:  # of the whole, once: parts are shared
        return self.key

    def __reduce__(self) -> Any:  # the hash of a text is another one in each process
        return Node, (self.op, self.args, self.value, self.span, 0, 0, 0, self.symmetric)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Node) or self.key != other.key:
            return False
        return self is other or (self.op, self.value, self.args) == (other.op, other.value, other.args)


@dataclass(frozen=True)
class Program:
    """A formula behind its `let` lines: names with what they stand for, in order."""

    source: str
    lets: tuple[tuple[str, Node], ...]
    body: Node


# --- making trees ------------------------------------------------------------------------------------------


def num(value: int | Fraction) -> Node:
    """Return a number."""
    return Node("num", value=Fraction(value))


def name(value: str) -> Node:
    """Return a name."""
    return Node("name", value=value)


def call(function: str, *args: Node) -> Node:
    """Return a function of arguments."""
    return Node("call", args, function)


def is_number(node: Node, value: int | None = None) -> bool:
    """Return whether a node is a number, and which."""
    return node.op == "num" and (value is None or node.value == value)


def mul(*factors: Node) -> Node:
    """Return a product, flat, without factors 1."""
    flat: list[Node] = []
    sign = False
    for factor in factors:
        sign ^= factor.op == "neg"
        bare = factor.args[0] if factor.op == "neg" else factor
        flat += bare.args if bare.op == "mul" else (bare,)
    flat = [factor for factor in flat if not is_number(factor, 1)]
    made = num(1) if not flat else flat[0] if len(flat) == 1 else Node("mul", tuple(flat))
    return negated(made) if sign else made


def negated(node: Node) -> Node:
    """Return −node."""
    if node.op == "neg":
        return node.args[0]
    return num(-node.value) if node.op == "num" else Node("neg", (node,))


def add(*terms: Node) -> Node:
    """Return a sum, flat."""
    flat: list[Node] = []
    for term in terms:
        flat += term.args if term.op == "add" else (term,)
    return flat[0] if len(flat) == 1 else Node("add", tuple(flat))


def had(*factors: Node) -> Node:
    """Return a product entry by entry, flat."""
    flat: list[Node] = []
    for factor in factors:
        flat += factor.args if factor.op == "had" else (factor,)
    return flat[0] if len(flat) == 1 else Node("had", tuple(flat))


def diagonal(vector: Node) -> Node:
    """Return the diagonal matrix of a vector; diag of a matrix, its diagonal, is a plain call."""
    return Node("call", (vector,), "diag", symmetric=True)


SYMMETRIC_OPS = {"eye", "num", "size"}


def transposed(node: Node) -> Node:
    """Return the transpose, moved inwards through products and sums where that is shorter."""
    if node.symmetric or node.op in SYMMETRIC_OPS:
        return node
    if node.op == "T":
        return node.args[0]
    if node.op == "add" and set(map(transposed, node.args)) == set(node.args):
        return node
    if node.op == "neg":
        return negated(transposed(node.args[0]))
    if node.op == "mul":
        return mul(*(transposed(factor) for factor in reversed(node.args)))
    if node.op == "kron":
        return Node("kron", tuple(transposed(factor) for factor in node.args))
    if node.op == "comm":
        return Node("comm", value=(node.value[1], node.value[0]))
    return Node("T", (node,))


def parts_of(node: Node) -> Iterator[Node]:
    """Yield a node and all its parts, each once."""
    seen, stack = set(), [node]
    while stack:
        part = stack.pop()
        if id(part) not in seen:
            seen.add(id(part))
            stack += part.args
            yield part


def count(node: Node) -> int:
    """Return how many symbols a tree takes, as a measure of how long it reads."""
    return node.weight


def _weight(node: Node) -> int:
    own = {"T": 1, "neg": 1, "call": 2, "num": 1, "name": 1, "eye": 2, "ones": 2, "comm": 3}.get(node.op, 0)
    if node.op in ("add", "mul", "had", "kron", "khatri", "div", "hdiv", "pow", "epow"):
        own = len(node.args) - 1
    inside = sum(arg.weight + (2 if _bracketed(node, arg) else 0) for arg in node.args)
    return own + inside


def _bracketed(outer: Node, inner: Node) -> bool:
    if inner.op == "add":
        return outer.op not in ("add", "call")
    return inner.op in ("mul", "had", "kron", "khatri") and outer.op in ("T", "pow", "epow")
