"""The graph of a term: labels are vertices, matrices are edges, and summed labels are contracted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from jacobians.formulas.effort import spend
from jacobians.formulas.nodes import Atom, Number
from jacobians.formulas.selections import product
from jacobians.formulas.tree import Node, call, count, diagonal, had, is_number, mul, negated, num, transposed


class NoFormError(Exception):
    """A term has no matrix form."""


Edge = tuple[int, int, Node]


def flipped(node: Node) -> Node:
    """Return the shorter of a product's two readings for a number: uᵀv or vᵀu, tr A or tr Aᵀ."""
    other = transposed(node)
    return min(node, other, key=lambda made: (count(made), _first_name(made)))


def _first_name(node: Node) -> str:
    while node.args:
        node = node.args[0]
    return str(node.value)


def entrywise(factors: Sequence[Node]) -> Node:
    """Return the product entry by entry, negative powers below."""
    above, below = [], []
    for factor in factors:
        if factor.op == "epow" and factor.args[1].op == "num" and factor.args[1].value < 0:
            below.append(raised(factor.args[0], -factor.args[1].value, "epow"))
        else:
            above.append(factor)
    top = had(*above) if above else num(1)
    return Node("hdiv", (top, had(*below))) if below else top


def is_unit(node: Node) -> bool:
    """Return whether a node is one column of the identity."""
    return node.op == "index" and node.args[0].op == "eye" and isinstance(node.value[1], int)


def column_of(node: Node, place: int) -> Node:
    """Return a column of a matrix."""
    if node.op == "T":
        return transposed(Node("index", node.args, (place, None)))
    return Node("index", (node,), (None, place))


def entry_of(node: Node, place: int) -> Node:
    """Return an entry of a column; that of a column or row of a matrix by two indices."""
    if node.op == "index" and isinstance(node.value[1], int) and node.value[0] is None:
        return Node("index", node.args, (place, node.value[1]))
    if node.op == "T" and node.args[0].op == "index" and node.args[0].value[1] is None:
        return Node("index", node.args[0].args, (node.args[0].value[0], place))
    return Node("index", (node,), (place, None))


def unit_of(node: Node) -> int:
    """Return which column of the identity a node is."""
    return int(node.value[1])


def raised(node: Node, exponent: Number, op: str) -> Node:
    """Return a power; that of an exponential goes into its exponent, and a half is a root."""
    if exponent == 1:
        return node
    if (
        node.op == "call"
        and node.value == "exp"
        and isinstance(exponent, int | Fraction)
        and op in ("pow", "epow")
    ):
        inner = node.args[0]
        scaled = negated(inner) if exponent == -1 else mul(num(exponent), inner)
        return call("exp", scaled)
    if exponent == Fraction(1, 2):
        return call("sqrt", node)
    return Node(op, (node, num(exponent)))


@dataclass
class Graph:
    """What is left of a term: numbers, vectors at labels, matrices between labels."""

    sizes: dict[int, Atom]
    up: list[Node] = field(default_factory=list)
    down: list[Node] = field(default_factory=list)
    vectors: dict[int, list[Node]] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def ones(self, label: int) -> Node:
        """Return 𝟏 of a label's size."""
        return Node("ones", value=(self.sizes[label],))

    def vector(self, label: int) -> Node | None:
        """Return the product of the vectors at a label."""
        found = self.vectors.get(label)
        return entrywise(found) if found else None

    def contract(self, free: set[int]) -> None:
        """Take all summed labels away, as far as that goes."""
        while True:
            summed = {la for a, b, _ in self.edges for la in (a, b)} | self.vectors.keys()
            spend(len(self.edges))
            steps = sorted(summed - free, key=lambda la: self._degree(la))
            if not any(self._step(label, free) for label in steps):
                break
        for label in sorted(free):
            self._loops(label, trace=False)

    def _degree(self, label: int) -> tuple[int, int]:
        return sum((a == label) + (b == label) for a, b, _ in self.edges), label

    def _loops(self, label: int, *, trace: bool) -> bool:
        loops = [edge for edge in self.edges if edge[0] == edge[1] == label]
        if not loops:
            return False
        others = [edge for edge in self.edges if edge not in loops and label in edge[:2]]
        self.edges = [edge for edge in self.edges if edge not in loops]
        if trace and len(loops) == 1 and not others and not self.vectors.get(label):
            self.up.append(call("tr", flipped(loops[0][2])))
            return True
        for _, _, node in loops:
            self.vectors.setdefault(label, []).append(call("diag", flipped(node)))
        return True

    def _step(self, label: int, free: set[int]) -> bool:
        if self._loops(label, trace=True):
            return True
        at = [edge for edge in self.edges if label in edge[:2]]
        vector = self.vector(label)
        if len(at) == 1 and vector is None and at[0][2].op == "epow" and is_number(at[0][2].args[1], 2):
            far = at[0][1] if at[0][0] == label else at[0][0]
            if far not in free and self._degree(far)[0] == 1 and far not in self.vectors:
                self.edges.remove(at[0])
                self.up.append(Node("pow", (call("normF", at[0][2].args[0]), num(2))))
                return True
        if not at:
            if vector is None:
                return False
            entries = self.vectors.pop(label)
            self.up.append(self._inner(entries))
            return True
        if len(at) == 1:
            a, b, node = at[0]
            self.edges.remove(at[0])
            self.vectors.pop(label, None)
            right = self.ones(label) if vector is None else vector
            far = a if b == label else b
            turned = node if b == label else transposed(node)
            made = column_of(turned, unit_of(right)) if is_unit(right) else product(turned, right)
            self.vectors.setdefault(far, []).append(made)
            return True
        if len(at) == 2 and vector is not None and self._has_rows(at, label, free) and self._parallel(at):
            return True  # (A ⊙ B)·v, not the diagonal of A·diag(v)·Bᵀ
        if len(at) == 2:
            (a, b, left), (c, d, right) = at
            self.edges = [edge for edge in self.edges if edge not in at]
            self.vectors.pop(label, None)
            start, left = (a, left) if b == label else (b, transposed(left))
            end, right = (d, right) if c == label else (c, transposed(right))
            middle = () if vector is None else (diagonal(vector),)
            made = mul(left, *middle, right) if middle else product(left, right)
            back = transposed(made)
            if count(back) < count(made):
                start, end, made = end, start, back
            self.edges.append((start, end, made))
            return True
        return self._parallel(at)

    def _has_rows(self, at: Sequence[Edge], label: int, free: set[int]) -> bool:
        """Return whether two matrices at a summed label meet again where rows or entries of a vector are left."""
        (a, b, _), (c, d, _) = at
        far = a if b == label else b
        ends = [edge for edge in self.edges if far in edge[:2]]
        return far == (c if d == label else d) and len(ends) == 2 and (far in free or far in self.vectors)

    def _parallel(self, edges: Sequence[Edge]) -> bool:
        """Put two matrices between the same labels together, entry by entry."""
        for one, two in itertools.combinations(edges, 2):
            if {one[0], one[1]} == {two[0], two[1]} and one[0] != one[1]:
                right = two[2] if two[:2] == one[:2] else transposed(two[2])
                self.edges = [edge for edge in self.edges if edge is not one and edge is not two]
                self.edges.append((one[0], one[1], entrywise([one[2], right])))
                return True
        return False

    def _inner(self, entries: list[Node]) -> Node:
        """Return Σ of a product of vectors as a number."""
        units = [node for node in entries if is_unit(node)]
        if len(units) == 1 < len(entries):
            return entry_of(entrywise([node for node in entries if node is not units[0]]), unit_of(units[0]))
        if len(entries) == 1 and entries[0].op == "epow" and is_number(entries[0].args[1], 2):
            base = entries[0].args[0]
            if base.op != "name":
                return Node("pow", (call("norm2", base), num(2)))
            entries = [base] * 2
        if len(entries) == 1:
            (only,) = entries
            matrix = only.op == "mul" and only.args[-1].op == "ones"
            return call("sum", mul(*only.args[:-1]) if matrix else only)
        best = min(
            (
                mul(transposed(entrywise(entries[:k] + entries[k + 1 :])), entries[k])
                for k in range(len(entries))
            ),
            key=count,
        )
        return flipped(best)
