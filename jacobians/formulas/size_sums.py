"""Sizes that are sums, such as n − 1 of a slice and n + p of a stack, and the places at which slices begin and end.

Among the atoms of a size such a sum is text in brackets, ``(n+p)``, one text for all orders of its terms; while sizes
are still to be found it is a `SizeSum`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

Linear = dict[tuple[Any, ...], int]
"""A sum: for each product of letters how often it is taken; () is 1."""

Place = int | tuple[Any, ...] | None
"""Where a slice begins or ends: a number, negative from the end; a size; None for the end."""


@dataclass(frozen=True)
class SizeSum:
    """A sum of products of letters and sizes that are still to be found.

    Parameters
    ----------
    parts : tuple
        The products with how often each is taken, sorted.
    """

    parts: tuple[tuple[tuple[Any, ...], int], ...]


def is_sum(atom: Any) -> bool:
    """Return whether an atom is a sum."""
    return isinstance(atom, SizeSum) or (isinstance(atom, str) and atom.startswith("("))


def linear(size: Iterable[Any]) -> Linear:
    """Return a size as a sum.

    Examples
    --------
    >>> linear(("(n-1)", 2))
    {('n',): 2, (): -2}
    """
    made: Linear = {(): 1}
    for atom in size:
        if isinstance(atom, int):
            own: Linear = {(): atom}
        elif isinstance(atom, SizeSum):
            own = dict(atom.parts)
        elif is_sum(atom):
            own = _read(atom)
        else:
            own = {(atom,): 1}
        product: Linear = {}
        for a, p in made.items():
            for b, q in own.items():
                key = tuple(sorted((*a, *b), key=_order))
                product[key] = product.get(key, 0) + p * q
        made = product
    return {key: count for key, count in made.items() if count}


def plus(a: Linear, b: Linear, sign: int = 1) -> Linear:
    """Return a + b, or a + sign·b."""
    made = {key: a.get(key, 0) + sign * b.get(key, 0) for key in (*a, *b)}
    return {key: count for key, count in made.items() if count}


def linear_sum(sizes: Iterable[Iterable[Any]]) -> Linear:
    """Return the sum of sizes."""
    total: Linear = {}
    for size in sizes:
        total = plus(total, linear(size))
    return total


def size_of(total: Linear) -> tuple[Any, ...]:
    """Return a sum as a size; numbers below 1 stay as they are, for the caller to refuse."""
    if not total or set(total) == {()}:
        number = total.get((), 0)
        return () if number == 1 else (number,)
    if len(total) == 1 and 1 in total.values():
        return next(iter(total))
    parts = tuple(sorted(total.items(), key=lambda part: (not part[0], part[1] < 0, *map(_order, part[0]))))
    found = SizeSum(parts)
    return (sum_text(found),) if _settled(found) else (found,)


def atom_of(total: Linear) -> str | int:
    """Return a sum of letters as one atom."""
    size = size_of(total)
    return size[0] if len(size) == 1 else 1 if not size else sum_text(SizeSum(tuple(total.items())))


def _settled(found: SizeSum) -> bool:
    return all(isinstance(atom, str) for letters, _ in found.parts for atom in letters)


def _order(atom: Any) -> str:
    return str(atom)


def sum_text(found: SizeSum) -> str:
    """Return a sum of letters as the text of its atom.

    Examples
    --------
    >>> sum_text(SizeSum(((("n",), 2), ((), -1))))
    '(2*n-1)'
    """
    out = ""
    for letters, count in found.parts:
        factors = [str(abs(count))] if abs(count) != 1 or not letters else []
        out += ("-" if count < 0 else "+" if out else "") + "*".join([*factors, *letters])
    return f"({out})"


def _read(text: str) -> Linear:
    made: Linear = {}
    for sign, term in re.findall(r"([+\-−]?)\s*([^+\-−]+)", text.strip("() ")):
        factors = [factor.strip() for factor in re.split(r"[*·]", term)]
        number = prod(int(factor) for factor in factors if factor.isdigit())
        key = tuple(sorted(factor for factor in factors if not factor.isdigit()))
        made = plus(made, {key: -number if sign in ("-", "−") else number})
    return made


def sized(text: str) -> tuple[str | int, ...]:
    """Return the text of one atom as a size: a number, a letter or a sum in brackets."""
    if text.startswith("("):
        return size_of(_read(text))
    return () if text in ("", "1") else (int(text) if text.isdigit() else text,)


def possible(size: Iterable[Any]) -> bool:
    """Return whether a size may be 1 or more: one that is a number is, or one letter is added."""
    total = linear(size)
    return any(count > 0 for letters, count in total.items() if letters or len(total) == 1)


def letters_of(size: Iterable[Any]) -> set[str]:
    """Return the letters in a size."""
    found: set[str] = set()
    for atom in size:
        if is_sum(atom):
            found |= {letter for letters in linear((atom,)) for letter in letters if isinstance(letter, str)}
        elif isinstance(atom, str):
            found.add(atom)
    return found


def atom_number(atom: str | int, sizes: Mapping[str, int]) -> int:
    """Return an atom as a number."""
    if isinstance(atom, int):
        return atom
    letters = letters_of((atom,))
    if not letters <= sizes.keys():  # a sum that is known as a whole
        return sizes[atom]
    return sum(
        count * prod(sizes[letter] for letter in letters) for letters, count in linear((atom,)).items()
    )


def last_letter(atom: str, length: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """Return the one letter of a sum that has no number yet, from the number that the sum has."""
    missing = sorted(letters_of((atom,)) - sizes.keys())
    count = linear((atom,)).get((missing[0],), 0) if len(missing) == 1 else 0
    if count == 0 or sum(missing[0] in letters for letters in linear((atom,))) > 1:
        return {}
    found, rest = divmod(length - atom_number(atom, {**sizes, missing[0]: 0}), count)
    return {missing[0]: found} if rest == 0 and found > 0 else {}


# --- places of slices ------------------------------------------------------------------------------------------


def place_in(size: tuple[Any, ...], place: Place) -> Linear:
    """Return a place of an axis of a size, counted from its beginning."""
    if place is None:
        return linear(size)
    if isinstance(place, int):
        return plus(linear(size) if place < 0 else {}, {(): place} if place else {})
    return linear(place)


def placed(place: str | int) -> int | tuple[Any, ...]:
    """Return a place that is an atom as one that is a size."""
    return place if isinstance(place, int) else (place,)


def length(size: tuple[Any, ...], spec: Any) -> tuple[Any, ...]:
    """Return how many entries an index takes of an axis: all for None, one for a number, those from start to stop."""
    if spec is None or isinstance(spec, int):
        return size if spec is None else ()
    return size_of(plus(place_in(size, spec[1]), place_in(size, spec[0]), -1))


def short_place(size: tuple[Any, ...], place: tuple[Any, ...] | int, *, stop: bool = False) -> Place:
    """Return a place as it is written: from the end where that is a number and the place is none."""
    atoms = (place,) if isinstance(place, int) else place
    at = linear(atoms)
    if set(at) <= {()}:
        return at.get((), 0) if not stop or plus(at, linear(size), -1) else None
    rest = plus(at, linear(size), -1)
    if not rest and stop:
        return None
    return rest[()] if set(rest) == {()} and rest[()] < 0 else tuple(atoms)


def place_text(place: Place) -> str:
    """Return a place as text, as Python reads it."""
    if isinstance(place, int):
        return str(place)
    return "*".join(map(str, place or ())) if place is None or len(place) != 1 else str(place[0]).strip("()")


def index_letters(specs: Iterable[Any]) -> set[str]:
    """Return the letters in the places of indices."""
    places = [
        place for spec in specs if isinstance(spec, tuple) for place in spec if isinstance(place, tuple)
    ]
    return {letter for place in places for letter in letters_of(place)}
