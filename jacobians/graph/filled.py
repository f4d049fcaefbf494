"""Arrays that code writes into: of every entry it is known which array it came from, and one vertex is made at a read.

So a loop over n entries makes n numbers and one array of them, not n arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jacobians.graph.operations.elementwise import numbering
from jacobians.graph.operations.moves import chosen
from jacobians.graph.operations.table import Place
from jacobians.numerics.arrays import Array, as_array, is_recorded
from jacobians.structures import Identity, Jacobian, Scatter


class Part(NamedTuple):
    """Entries of one source: where they go in the result, and which ones of the source they are."""

    source: int
    to: Array
    entries: Array


class Filled:
    """The entries of an array, and where each came from.

    Attributes
    ----------
    value : numpy.ndarray
        The numbers; of entries that come from recorded arrays, which have none, zeros.
    sources : list of (vertex or None, value)
    owner, entry : numpy.ndarray of int
        Of each entry which source it came from, −1 for a number of the code, and which entry of it.
    version : int
        How many writes there were.
    line : str or None
        The line of the last one.
    """

    def __init__(self, value: Array, vertex: int | None) -> None:
        known = not is_recorded(value)
        self.value = np.array(value) if known else np.zeros(value.shape)
        self.version = 0
        self.line: str | None = None
        if known and vertex is None:
            self.sources: list[tuple[int | None, Array]] = []
            self.owner = np.full(value.size, -1)
            self.entry = np.zeros(value.size, dtype=np.intp)
        else:
            self.rebase(vertex, value)

    def rebase(self, vertex: int | None, value: Array) -> None:
        """Let all entries come from one array."""
        self.sources = [(vertex, value)]
        self.owner = np.zeros(value.size, dtype=np.intp)
        self.entry = np.arange(value.size)

    def write(self, at: Any, new: Array, vertex: int | None, line: str | None) -> None:
        """Write an array, which may be broadcast, to the entries of these numbers."""
        self.version, self.line = self.version + 1, line
        numbers = numbering(new.shape)
        if numbers.shape != np.shape(at):
            lead = numbers.ndim - np.ndim(at)  # as NumPy, which lets axes of length 1 before go
            numbers = numbers.reshape(numbers.shape[max(lead, 0) :]) if lead > 0 else numbers
            numbers = np.broadcast_to(numbers, np.shape(at))
        if vertex is None and not is_recorded(new):
            self.value.reshape(-1)[at] = new.reshape(-1)[numbers]
            self.owner[at] = -1
            return
        if not is_recorded(new):
            self.value.reshape(-1)[at] = new.reshape(-1)[numbers]
        self.owner[at] = len(self.sources)
        self.entry[at] = numbers
        self.sources.append((vertex, new))

    def parts(self, positions: Array) -> list[Part]:
        """Return where the entries at these positions come from, by source."""
        flat = positions.reshape(-1)
        owner, entry = self.owner[flat], self.entry[flat]
        order = np.argsort(owner, kind="stable")
        cuts = np.flatnonzero(np.diff(owner[order])) + 1
        groups = np.split(order, cuts) if order.size else []
        return [Part(int(owner[to[0]]), to, entry[to]) for to in groups if owner[to[0]] >= 0]

    def whole(self, positions: Array) -> tuple[int | None, Array] | None:
        """Return the source that the entries at these positions are, all of it and in its order, or None."""
        flat = positions.reshape(-1)
        if not flat.size or self.owner[flat[0]] < 0:
            return None
        vertex, value = self.sources[self.owner[flat[0]]]
        if value.shape != positions.shape or (
            flat.size > 1 and np.any(self.owner[flat] != self.owner[flat[0]])
        ):
            return None
        same = flat.size == 1 or np.array_equal(self.entry[flat], numbering((flat.size,)))
        return (vertex, value) if same else None

    def gathered(self, positions: Array) -> tuple[list[Part], list[Array], Array]:
        """Return the parts of the entries at these positions, the values of their sources, and the numbers there."""
        parts = self.parts(positions)
        return parts, [self.sources[part.source][1] for part in parts], self.value.reshape(-1)[positions]


def gather(parts: list[Part], numbers: Array) -> Any:
    """Return the rule of an array that is put together: of the list of its sources, and what the code wrote itself."""
    size = numbers.size

    def rule(_: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        sources = [as_array(one) for one in args[0]]
        if any(is_recorded(one) for one in sources):
            value = _joined(parts, sources, numbers)
        else:
            value = np.array(numbers)
            for part, source in zip(parts, sources, strict=True):
                value.reshape(-1)[part.to] = source.reshape(-1)[part.entries]

        def jacobian(place: Place) -> Jacobian:
            part, n = parts[place[1]], sources[place[1]].size  # type: ignore[index]  # places in a list
            return chosen_part(part, size, n)

        return value, jacobian

    return rule


def chosen_part(part: Part, m: int, n: int) -> Jacobian:
    """Return the Jacobian of an array of m entries by a source of n; small sources of large arrays take little."""
    if n == m and part.to.size == m and np.array_equal(part.to, part.entries):
        return Identity(n)
    once = n == 1 == part.to.size or len(np.unique(part.entries)) == len(part.entries)
    if n < m and once:
        to = np.full(n, -1)
        to[part.entries] = part.to
        return Scatter.unchecked(to, m, repeats=False)
    indices = np.full(m, -1)
    indices[part.to] = part.entries
    found: Jacobian = chosen(indices, n)
    return found


def _joined(parts: list[Part], sources: list[Array], numbers: Array) -> Any:
    """Return the entries of recorded arrays in their places: pieces one after the other, and moved where need be."""
    size = numbers.size
    written = np.concatenate([part.to for part in parts])
    left = np.setdiff1d(np.arange(size), written)
    pieces = []
    for part, source in zip(parts, sources, strict=True):
        flat = np.reshape(source, (-1,))
        same = part.entries.size == source.size and np.array_equal(part.entries, np.arange(source.size))
        pieces.append(flat if same else flat[part.entries])
    if left.size:
        pieces.append(numbers.reshape(-1)[left])
    joined: Any = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    order = np.argsort(np.concatenate([written, left]), kind="stable")
    moved = joined if np.array_equal(order, np.arange(size)) else joined[order]
    return np.reshape(moved, numbers.shape)
