"""Keys of terms that do not depend on the names of labels nor on the order of factors.

Labels are coloured by their neighbours, over and over; where that leaves some alike, each is tried as the first, but
for those that a symmetry of the term carries into one that was tried (as nauty does, McKay and Piperno 2014). Parts
without a common label are brought in order one by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jacobians.formulas.effort import spend

Entry = tuple[str, str, tuple[int, ...], bool]
Colours = dict[int, int]
MOST_TRIED = 200
"""How many labels of a part are tried; beyond, equal terms may be taken for different ones and stay apart."""


def canonical(data: list[Entry], free: Iterable[int]) -> tuple[Any, ...]:
    """Return factors as plain data under canonical labels.

    Parameters
    ----------
    data : list of tuples
        Of each factor the key, the exponent, the labels, and whether these may be exchanged.
    free : iterable of int
        The labels that are not summed, in order.
    """
    colour: Colours = {label: place for place, label in enumerate(free)}
    first = len(colour)
    bound = sorted({label for entry in data for label in entry[2]} - colour.keys())
    colour.update(dict.fromkeys(bound, first))
    colour = _refined(data, bound, colour, first)
    if len({colour[label] for label in bound}) == len(bound):
        return _leaf(data, bound, colour, first)[0]
    made = []
    for part, labels in _parts(data, first, colour):
        made.append(_least(part, labels, colour, first, [MOST_TRIED])[0])
    return tuple(sorted(made))


def _parts(data: list[Entry], first: int, colour: Colours) -> list[tuple[list[Entry], list[int]]]:
    """Return the entries and summed labels that hang together, and those without summed labels."""
    groups: list[tuple[list[Entry], set[int]]] = []
    for entry in data:
        entries, labels = [entry], {label for label in entry[2] if colour[label] >= first}
        apart = []
        for group in groups:
            if group[1] & labels:
                entries, labels = group[0] + entries, group[1] | labels
            else:
                apart.append(group)
        groups = [*apart, (entries, labels)]
    return [(entries, sorted(labels)) for entries, labels in groups]


def _signature(entry: Entry, colour: Colours) -> tuple[Any, ...]:
    digest, exponent, labels, symmetric = entry
    colours = [colour[label] for label in labels]
    return digest, exponent, tuple(sorted(colours) if symmetric else colours)


def _refined(data: list[Entry], bound: list[int], colour: Colours, first: int) -> Colours:
    """Return colours that tell labels apart by their neighbours, as far as that goes."""
    classes = len({colour[label] for label in bound})
    while classes < len(bound):
        spend(len(data))
        seen: dict[int, list[Any]] = {label: [] for label in bound}
        for entry in data:
            signature = _signature(entry, colour)
            for place, label in enumerate(entry[2]):
                if label in seen:
                    seen[label].append((signature, 0 if entry[3] else place))
        keys = {label: (colour[label], tuple(sorted(seen[label]))) for label in bound}
        ranks: dict[Any, int] = {}
        for key in sorted(keys.values()):
            ranks.setdefault(key, first + len(ranks))
        colour = {**colour, **{label: ranks[key] for label, key in keys.items()}}
        if len(ranks) == classes:
            break
        classes = len(ranks)
    return colour


def _tied(bound: list[int], colour: Colours) -> list[int]:
    """Return the labels of the first colour that several have."""
    groups: dict[int, list[int]] = {}
    for label in bound:
        groups.setdefault(colour[label], []).append(label)
    return next((groups[c] for c in sorted(groups) if len(groups[c]) > 1), [])


def _first(
    label: int, tied: list[int], data: list[Entry], bound: list[int], colour: Colours, first: int
) -> Colours:
    """Return colours with one of the tied labels before the others."""
    split = {
        la: c if c < first else 2 * c + 1 if la in tied and la != label else 2 * c for la, c in colour.items()
    }
    return _refined(data, bound, split, first)


def _leaf(
    data: list[Entry], bound: list[int], colour: Colours, first: int
) -> tuple[tuple[Any, ...], Colours]:
    """Return factors under labels that are chosen wherever some are alike, and these labels."""
    while tied := _tied(bound, colour):
        colour = _first(tied[0], tied, data, bound, colour, first)
    names = {label: first + place for place, label in enumerate(sorted(bound, key=lambda la: colour[la]))}
    names.update({label: c for label, c in colour.items() if c < first})
    return tuple(sorted(_signature(entry, names) for entry in data)), names


def _least(
    data: list[Entry], bound: list[int], colour: Colours, first: int, budget: list[int]
) -> tuple[tuple[Any, ...], Colours]:
    """Return the least of the forms that all choices among labels that are alike give."""
    tied = _tied(bound, colour)
    if not tied:
        return _leaf(data, bound, colour, first)
    best: tuple[tuple[Any, ...], Colours] | None = None
    orbit = {label: label for label in bound}  # labels that symmetries carry into one another
    leaves: dict[tuple[Any, ...], Colours] = {}
    tried: set[int] = set()
    for label in tied:
        if best is not None and (budget[0] <= 0 or _root(orbit, label) in {_root(orbit, la) for la in tried}):
            continue
        budget[0] -= 1
        refined = _first(label, tied, data, bound, colour, first)
        form, names = _leaf(data, bound, refined, first)
        tried.add(label)
        if form in leaves:  # the same form by two ways: the step from one to the other is a symmetry
            back = {place: la for la, place in names.items()}
            for la, place in leaves[form].items():
                if la in orbit:
                    orbit[_root(orbit, la)] = _root(orbit, back[place])
            continue
        leaves[form] = names
        found = _least(data, bound, refined, first, budget)
        best = found if best is None or found[0] < best[0] else best
    assert best is not None
    return best


def _root(orbit: dict[int, int], label: int) -> int:
    while orbit[label] != label:
        label = orbit[label]
    return label
