"""Index form: sums of products of nodes whose axes carry labels. Every key holds sizes.

A term is a number, a monomial in sizes and factors ``(node, labels, exponent)``; a label that is not free is summed. A
free label without a factor is a broadcast: 𝟏. Equality is that of digests, which do not depend on the names of labels
nor on the order of terms and factors; the order in which a person wrote them is kept for printing.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

from jacobians.formulas.canonical import canonical
from jacobians.formulas.size_sums import length, placed

Atom = str | int
Number = int | Fraction
Monomial = tuple[tuple[str, int], ...]
Labels = tuple[int, ...]


class Factor(NamedTuple):
    """A node at its labels, raised entry by entry to an exponent."""

    node: Sym | Delta | Choice | Fn | Tensor
    labels: Labels
    exponent: Number = 1


class Term(NamedTuple):
    """A number times a monomial in sizes times factors."""

    number: Number
    monomial: Monomial
    factors: tuple[Factor, ...]


_counter = itertools.count(1 << 20)


def fresh(number: int) -> Labels:
    """Return labels that nobody has; those of a closed tensor are small."""
    return tuple(itertools.islice(_counter, number))


def _digest(*parts: Any) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=12).hexdigest()


@dataclass(frozen=True, eq=False)
class Sym:
    """A variable: its name, the sizes of its axes, and what is assumed of it."""

    name: str
    sizes: tuple[Atom, ...]
    tags: frozenset[str] = frozenset()

    @cached_property
    def digest(self) -> str:
        """The key: name, sizes and assumptions."""
        return _digest("sym", self.name, self.sizes, sorted(self.tags))

    @cached_property
    def symmetric(self) -> bool:
        """Whether the two axes may be exchanged."""
        return "symmetric" in self.tags and len(self.sizes) == 2


@dataclass(frozen=True, eq=False)
class Delta:
    """Kronecker's δ of a size."""

    size: Atom
    symmetric = True

    @property
    def sizes(self) -> tuple[Atom, ...]:
        """The sizes of both axes."""
        return (self.size, self.size)

    @cached_property
    def digest(self) -> str:
        """The key, with the size."""
        return _digest("delta", self.size)


@dataclass(frozen=True, eq=False)
class Choice:
    """Columns start … stop − 1 of the identity of a size; without stop the one column e_start."""

    size: Atom
    start: Atom
    stop: Atom | None = None
    symmetric = False

    @property
    def sizes(self) -> tuple[Atom, ...]:
        """The sizes of its axes."""
        if self.stop is None:
            return (self.size,)
        return (self.size, *(length((self.size,), (placed(self.start), placed(self.stop))) or (1,)))

    @cached_property
    def digest(self) -> str:
        """The key, with the size."""
        return _digest("choice", self.size, self.start, self.stop)


@dataclass(frozen=True, eq=False)
class Fn:
    """A function of tensors: entry by entry, or of the whole array along the axes that `along` names."""

    name: str
    args: tuple[Tensor, ...]
    sizes: tuple[Atom, ...]
    along: tuple[int, ...] = ()

    @cached_property
    def digest(self) -> str:
        """The key: function, arguments and sizes."""
        return _digest("fn", self.name, [arg.digest for arg in self.args], self.sizes, self.along)

    @cached_property
    def symmetric(self) -> bool:
        """Whether the two axes may be exchanged."""
        return len(self.sizes) == 2 and not self.along and all(arg.symmetric for arg in self.args)


@dataclass(frozen=True, eq=False)
class Tensor:
    """A sum of terms with free labels 0, 1, …, one for each size."""

    sizes: tuple[Atom, ...]
    terms: tuple[Term, ...]

    @cached_property
    def digest(self) -> str:
        """The key: sizes and the terms' keys in sorted order."""
        return _digest(
            "tensor", self.sizes, sorted((term_key(t, len(self.sizes)), str(t.number)) for t in self.terms)
        )

    @cached_property
    def symmetric(self) -> bool:
        """Whether the two axes may be exchanged."""
        if len(self.sizes) != 2 or self.sizes[0] != self.sizes[1]:
            return False
        swapped = Tensor(self.sizes, tuple(relabel(term, {0: 1, 1: 0}) for term in self.terms))
        return swapped.digest == self.digest

    def at(self, labels: Sequence[int]) -> list[Term]:
        """Return the terms at labels, with fresh labels for what is summed."""
        return [instantiate(term, labels) for term in self.terms]

    @property
    def zero(self) -> bool:
        """Whether there is no term."""
        return not self.terms


# --- labels ------------------------------------------------------------------------------------------------


def relabel(term: Term, names: dict[int, int]) -> Term:
    """Return a term with other labels; those without a new name stay."""
    return Term(
        term.number,
        term.monomial,
        tuple(
            Factor(n, tuple([names.get(label, label) for label in labels]), e)
            for n, labels, e in term.factors
        ),
    )


def instantiate(term: Term, free: Sequence[int]) -> Term:
    """Return a closed term at labels."""
    names = dict(enumerate(free))
    for _, labels, _ in term.factors:
        for label in labels:
            if label not in names:
                names[label] = next(_counter)
    return relabel(term, names)


def times_size(monomial: Monomial, size: Atom, exponent: int = 1) -> tuple[Number, Monomial]:
    """Return a number and a monomial: `monomial` times a power of a size."""
    if isinstance(size, int):
        return Fraction(size) ** exponent, monomial
    powers = dict(monomial)
    powers[size] = powers.get(size, 0) + exponent
    return 1, tuple(sorted((s, e) for s, e in powers.items() if e))


def times(a: Monomial, b: Monomial) -> Monomial:
    """Return the product of two monomials."""
    if not a or not b:
        return a or b
    powers = dict(a)
    for size, exponent in b:
        powers[size] = powers.get(size, 0) + exponent
    return tuple(sorted((s, e) for s, e in powers.items() if e))


def plain(number: Number) -> Number:
    """Return a fraction that is an integer as one."""
    return number.numerator if isinstance(number, Fraction) and number.denominator == 1 else number


# --- keys ------------------------------------------------------------------------------------------------------


def term_key(term: Term, free: int) -> str:
    """Return a key of a closed term without its number, the same for all names of labels and orders of factors."""
    return _digest(term.monomial, canonical_factors(term.factors, range(free)))


def canonical_factors(factors: Iterable[Factor], free: Iterable[int]) -> tuple[Any, ...]:
    """Return factors as plain data under canonical labels."""
    return canonical([(f.node.digest, str(f.exponent), f.labels, f.node.symmetric) for f in factors], free)
