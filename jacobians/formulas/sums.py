"""Sums of terms in matrix notation, with common parts taken out: P·S·Q + P·T·Q = P·(S + T)·Q."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm
from typing import Any

from jacobians.formulas.effort import spend
from jacobians.formulas.functions import ELEMENTWISE
from jacobians.formulas.tree import Node, add, count, mul, negated, num, transposed

MOST_TERMS = 24
"""Sums of more terms are printed as they are."""


@dataclass(frozen=True)
class Piece:
    """A term: a number, numbers above and below the line, and a chain of matrices."""

    number: Fraction
    up: tuple[Node, ...]
    down: tuple[Node, ...]
    chain: tuple[Node, ...]

    def node(self) -> Node:
        """Return the piece as a tree."""
        number = abs(self.number)
        above = [num(number.numerator)] if number.numerator != 1 else []
        below = [num(number.denominator)] if number.denominator != 1 else []
        up = sorted(self.up, key=lambda node: _RANK.get(node.op, 2))
        factors = [*above, *up, *self.chain]
        # a number that is a product of vectors is kept in brackets: (aᵀ·x)·x
        made = (
            mul(*factors)
            if len(factors) == 1 or not any(node.op == "mul" for node in up)
            else _product(factors)
        )
        if below or self.down:
            made = Node("div", (made, mul(*below, *self.down)))
        return negated(made) if self.number < 0 else made


_RANK = {"num": 0, "size": 0, "name": 1, "mul": 3}


def _product(factors: list[Node]) -> Node:
    return Node("mul", tuple(factors))


def _ordered_sum(pieces: list[Piece]) -> Node:
    """Return a sum with a term first that has no minus; 𝟏 beside functions entry by entry is written 1."""
    others = [piece for piece in pieces if not _is_ones(piece)]
    if others and all(_is_entrywise(piece) for piece in others):
        pieces = [replace(piece, chain=()) if _is_ones(piece) else piece for piece in pieces]
    return add(*(piece.node() for piece in _ordered(pieces)))


def _is_ones(piece: Piece) -> bool:
    ones = all(node.op == "ones" or (node.op == "T" and node.args[0].op == "ones") for node in piece.chain)
    return ones and not piece.up and not piece.down and len(piece.chain) in (1, 2)


def _is_entrywise(piece: Piece) -> bool:
    """Return whether a number beside a piece is read as added to each entry: not beside A·x or I."""
    if not piece.chain:
        return True
    (first, *more) = piece.chain
    one = first.op in ("name", "epow", "had", "hdiv") or (first.op == "call" and first.value in ELEMENTWISE)
    return one and not more


def _common(
    a: tuple[Node, ...], b: tuple[Node, ...]
) -> tuple[tuple[Node, ...], tuple[Node, ...], tuple[Node, ...]]:
    """Return what two lists share, and what each has besides."""
    shared, left, right = [], [], list(b)
    for node in a:
        if node in right:
            right.remove(node)
            shared.append(node)
        else:
            left.append(node)
    return tuple(shared), tuple(left), tuple(right)


def _content(a: Fraction, b: Fraction) -> Fraction:
    made = Fraction(gcd(a.numerator, b.numerator), lcm(a.denominator, b.denominator))
    return -made if a < 0 and b < 0 else made


def _joined(p: Piece, q: Piece, rows: Any, columns: Any) -> Piece | None:
    """Return p + q as one piece, if they share a part."""
    number = _content(p.number, q.number)
    up, p_up, q_up = _common(p.up, q.up)
    down, p_down, q_down = _common(p.down, q.down)
    before = 0
    while before < min(len(p.chain), len(q.chain)) and p.chain[before] == q.chain[before]:
        before += 1
    after = 0
    while after < min(len(p.chain), len(q.chain)) - before and p.chain[-1 - after] == q.chain[-1 - after]:
        after += 1
    middles = [chain[before : len(chain) - after] for chain in (p.chain, q.chain)]
    head, tail = p.chain[:before], p.chain[len(p.chain) - after :]
    rest = [
        Piece(p.number / number, p_up, p_down, middles[0]),
        Piece(q.number / number, q_up, q_down, middles[1]),
    ]
    if middles == [(), ()] and not (p_up or q_up or p_down or q_down) and p.number + q.number:
        return replace(p, number=p.number + q.number)
    if middles == [(), ()]:
        return Piece(number, (*up, _ordered_sum(rest)), down, p.chain)
    if [len(middle) for middle in middles] == [1, 1] and not (p_up or q_up or p_down or q_down):
        slot = _one_slot(middles[0][0], middles[1][0])
        if slot is not None:
            place, a, b = slot
            inner = _ordered_sum(
                [Piece(p.number / number, (), (), (a,)), Piece(q.number / number, (), (), (b,))]
            )
            kron = middles[0][0].args
            merged = Node("kron", (*kron[:place], inner, *kron[place + 1 :]))
            return Piece(number, up, down, (*head, merged, *tail))
    if not (before or after or up or down):
        return None
    if () in middles:
        size = rows if not head else columns if not tail else None
        if size is None or len(size) != 1:
            return None
        rest = [piece if piece.chain else replace(piece, chain=(Node("eye", value=size),)) for piece in rest]
    if all(_is_ones(piece) for piece in rest):
        return None
    return Piece(number, up, down, (*head, _ordered_sum(rest), *tail))


def _one_slot(a: Node, b: Node) -> tuple[int, Node, Node] | None:
    """Return the place where two Kronecker products differ, if it is one, and what they have there."""
    if a.op != "kron" or b.op != "kron" or len(a.args) != len(b.args):
        return None
    places = [place for place, (x, y) in enumerate(zip(a.args, b.args, strict=True)) if x != y]
    return (places[0], a.args[places[0]], b.args[places[0]]) if len(places) == 1 else None


def collected(pieces: list[Piece], rows: Any, columns: Any) -> Node:
    """Return a sum of pieces as a tree, with common parts taken out where that reads shorter."""
    if not pieces:
        return Node("zeros", value=(rows, columns)) if rows or columns else num(0)
    while 1 < len(pieces) <= MOST_TERMS:
        best: tuple[int, int, int, Piece] | None = None
        for i, p in enumerate(pieces):
            for j in range(i + 1, len(pieces)):
                spend(len(p.chain) + len(pieces[j].chain))
                made = _joined(p, pieces[j], rows, columns)
                if made is None:
                    continue
                saving = count(p.node()) + count(pieces[j].node()) + 1 - count(made.node()) + _mirrored(made)
                if saving > (0 if len(pieces) > 2 else -1) and (best is None or saving > best[0]):
                    best = (saving, i, j, made)
        if best is None:
            break
        _, i, j, made = best
        pieces = [made if place == i else piece for place, piece in enumerate(pieces) if place != j]
    if len(pieces) > 1:
        number = pieces[0].number
        for piece in pieces[1:]:
            number = _content(number, piece.number)
        if number != 1 and (rows or columns or number < 0):
            inner = _ordered_sum([replace(piece, number=piece.number / number) for piece in pieces])
            return Piece(number, (), (), (inner,)).node()
    return _ordered_sum(pieces)


def _mirrored(piece: Piece) -> int:
    """Return 1 for a piece with a factor M + Mᵀ: it is what a reader looks for."""
    return int(
        any(n.op == "add" and len(n.args) == 2 and transposed(n.args[0]) == n.args[1] for n in piece.chain)
    )


def _ordered(pieces: list[Piece]) -> list[Piece]:
    """Return pieces with one that is not negative first."""
    first = next((piece for piece in pieces if piece.number > 0), pieces[0])
    return [first, *(piece for piece in pieces if piece is not first)]
