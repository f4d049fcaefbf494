"""Sizes of all parts of a formula, by unification; a size that is not said becomes a letter.

A size is a tuple of atoms, their product: () is 1, ("m", "n") is mn. A size that was inferred never becomes 1: a vector
has not one entry by accident, and ``x*y`` of two columns is refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from jacobians.formulas.declarations import Declaration
from jacobians.formulas.size_sums import SizeSum, is_sum, letters_of, linear, plus, size_of, sized
from jacobians.formulas.tree import Node

CONSTANTS = {"pi": 3.141592653589793, "π": 3.141592653589793}
"""Names that are numbers."""

_LETTERS = (*"mnpqkrsdhlcbgNMTDKLPQRSBCH", *(f"n{number}" for number in range(1, 400)))


_born = itertools.count()


class Unknown:
    """A size that is not known yet; those that were met first come first."""

    __slots__ = ("born",)

    def __init__(self) -> None:
        self.born = next(_born)

    def __str__(self) -> str:
        return f"~{self.born:09}"


Size = tuple[Any, ...]
Shape = tuple[Size, Size]
SCALAR: Shape = ((), ())


class Shapes:
    """The sizes of a formula's names and parts."""

    def __init__(self, source: str, declared: Mapping[str, Declaration], names: Iterable[str] = ()) -> None:
        self.source, self.declared, self.vec = source, declared, "row"
        self.bound: dict[Unknown, Size] = {}
        self.letters: dict[Unknown, str] = {}
        self.of: dict[int, Shape] = {}
        self.kept: list[Node] = []  # what `of` speaks of stays alive, so that its ids stay its own
        self.names: dict[str, Shape] = {}
        self.variables: list[str] = []
        self.read: set[str] = set()  # sizes that a text speaks of which is read beside the formula
        self.taken = set(names) | {s for d in declared.values() for s in letters_of(d.sizes or ())}

    def with_vec(self, vec: str) -> Shapes:
        """Return the same names for parts in which vec means another order."""
        made = Shapes(self.source, self.declared)
        made.bound, made.letters, made.names, made.taken = self.bound, self.letters, self.names, self.taken
        made.vec = vec
        return made

    # --- unification -----------------------------------------------------------------------------------------

    def resolve(self, size: Size) -> Size:
        """Return a size with all that is known of its atoms."""
        if not any(atom in self.bound or is_sum(atom) for atom in size):
            return size
        return tuple(part for atom in size for part in self._known(atom))

    def _known(self, atom: Any) -> Size:
        if atom in self.bound:
            return self.resolve(self.bound[atom])
        if not isinstance(atom, SizeSum):
            return (atom,)
        total: dict[Any, int] = {}
        for letters, count in atom.parts:
            resolved = self.resolve(letters)  # a place may name the letter of an unknown one
            known = linear(self.letters.get(own, own) for own in resolved)
            total = plus(total, {key: count * more for key, more in known.items()})
        return size_of(total)

    def unify(self, left: Size, right: Size) -> bool:
        """Make two sizes equal, or return False."""
        left, right = self.resolve(left), self.resolve(right)
        if left == right:
            return True
        if len(left) == len(right) == 1 and any(map(is_sum, (*left, *right))):
            return self._solved(left, right)
        if len(left) == len(right):
            return all(self._atoms(a, b) for a, b in zip(left, right, strict=True))
        short, long = (left, right) if len(left) < len(right) else (right, left)
        if len(short) == 1 and isinstance(short[0], Unknown) and short[0] not in long:
            self.bound[short[0]] = long
            return True
        return False

    def _solved(self, left: Size, right: Size) -> bool:
        """Make two sizes equal of which one has a sum: what one unknown of them must be."""
        one, two = linear(left), linear(right)
        if (
            len(one) == len(two)
            and list(one.values()) == list(two.values())
            and self._open(one)
            and self._open(two)
        ):
            return all(self.unify(a, b) for a, b in zip(one, two, strict=True))  # blocks: part by part
        rest = plus(one, two, -1)
        for sums_only in (True, False):  # a size is rather a sum than a difference of others
            for letters, count in rest.items():
                unknown = letters[0] if len(letters) == 1 else None
                others = {key: -more * count for key, more in rest.items() if key != letters}
                if (
                    not isinstance(unknown, Unknown)
                    or abs(count) != 1
                    or any(unknown in key for key in others)
                ):
                    continue
                if sums_only and any(more < 0 for key, more in others.items() if key):
                    continue
                found = size_of(others)
                if found == () or not any(more > 0 for more in others.values()):
                    return False  # no size, or 1, which none becomes by accident
                self.bound[unknown] = found
                return True
        return False

    @staticmethod
    def _open(total: Mapping[Any, int]) -> bool:
        return all(len(letters) == 1 and isinstance(letters[0], Unknown) for letters in total)

    def _atoms(self, a: Any, b: Any) -> bool:
        a, b = self.resolve((a,)), self.resolve((b,))
        if a == b:
            return True
        if len(a) != 1 or len(b) != 1:
            return self.unify(a, b)
        if isinstance(a[0], Unknown):
            self.bound[a[0]] = b
            return True
        if isinstance(b[0], Unknown):
            self.bound[b[0]] = a
            return True
        return False

    # --- words -----------------------------------------------------------------------------------------------

    def letter(self, atom: Any) -> str | int:
        """Return the letter or number of an atom, a new letter for one that has none."""
        if not isinstance(atom, Unknown):
            return atom
        if atom not in self.letters:
            self.letters[atom] = next(letter for letter in _LETTERS if letter not in self.taken)
            self.taken.add(self.letters[atom])
        return self.letters[atom]

    def final(self, size: Size) -> tuple[str | int, ...]:
        """Return a size in letters and numbers."""
        return tuple(part for atom in self.resolve(size) for part in self._lettered(atom))

    def _lettered(self, atom: Any) -> tuple[str | int, ...]:
        if not isinstance(atom, SizeSum):
            return (self.letter(atom),)
        total: dict[Any, int] = {}
        for letters, count in atom.parts:
            total = plus(total, linear(tuple(map(self.letter, letters))), count)
        return size_of(total)

    def shown(self, shape: Shape) -> str:
        """Return a shape as text."""
        if self.scalar(shape):
            return "a number"
        return "×".join("·".join(str(atom) for atom in self.final(size)) or "1" for size in shape)

    def part(self, node: Node) -> str:
        """Return the text of a part."""
        if node.span is None:
            from jacobians.formulas.text import text as printed

            text = printed(node)
        else:
            text = " ".join(self.source[node.span[0] : node.span[1]].split())
        return text if len(text) <= 60 else f"{text[:28]} … {text[-28:]}"

    def is_(self, node: Node, shape: Shape) -> str:
        """Return what shape a part has, as a sentence's part."""
        return f"{self.part(node)} is {self.shown(shape)}"

    # --- kinds of shapes ---------------------------------------------------------------------------------------

    def scalar(self, shape: Shape) -> bool:
        """Return whether a shape is a number's."""
        return self.resolve(shape[0]) == () == self.resolve(shape[1])

    def column(self, shape: Shape) -> bool:
        """Return whether a shape is a column's."""
        return self.resolve(shape[0]) != () and self.resolve(shape[1]) == ()

    def vector(self, shape: Shape) -> bool:
        """Return whether a shape is a column's or a row's."""
        return (self.resolve(shape[0]) == ()) != (self.resolve(shape[1]) == ())

    def kind(self, shape: Shape) -> str:
        """Return what a shape is: number, column, row or matrix."""
        rows, columns = (self.resolve(size) for size in shape)
        return ("matrix" if columns else "column") if rows else "row" if columns else "number"

    # --- names -------------------------------------------------------------------------------------------------

    def variable(self, name: str) -> Shape:
        """Return the shape of a name: declared, or a column for a small letter and a matrix for a capital."""
        if name not in self.names:
            said = self.declared.get(name, Declaration())
            kind = said.kind or ("matrix" if name[:1].isupper() else "column")
            rows: Size = () if kind in ("scalar", "row") else (Unknown(),)
            columns: Size = () if kind in ("scalar", "column") else (Unknown(),)
            if said.sizes is not None:
                rows, columns = (self._size(size) for size in said.sizes)
            elif "square" in said.tags:
                columns = rows
            self.names[name] = (rows, columns)
            self.variables.append(name)
        return self.names[name]

    def _size(self, text: str) -> Size:
        return sized(text)

    def size_letters(self) -> set[str]:
        """Return the letters that declarations use for sizes."""
        said = (size for one in self.declared.values() for size in one.sizes or () if not size.isdigit())
        return self.read | letters_of(said)
