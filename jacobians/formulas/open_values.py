"""Values under construction: terms whose labels are rows and columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jacobians.formulas.nodes import Atom, Factor, Labels, Number, Tensor, Term, fresh, plain
from jacobians.formulas.normal import close


@dataclass(frozen=True)
class Value:
    """An open value: labels of rows and of columns, their sizes, and terms."""

    rows: Labels
    columns: Labels
    sizes: Mapping[int, Atom]
    terms: tuple[Term, ...]

    @property
    def scalar(self) -> bool:
        """Whether it is a number."""
        return not self.rows and not self.columns

    @property
    def labels(self) -> Labels:
        """All free labels."""
        return (*self.rows, *self.columns)

    def closed(self) -> Tensor:
        """Return it as a tensor, rows first."""
        return close(self.terms, self.labels, [self.sizes[label] for label in self.labels])


def value_of(tensor: Tensor, rows: int) -> Value:
    """Return a tensor at fresh labels, the first `rows` of them as rows."""
    labels = fresh(len(tensor.sizes))
    sizes = dict(zip(labels, tensor.sizes, strict=True))
    return Value(labels[:rows], labels[rows:], sizes, tuple(tensor.at(labels)))


def number_value(number: Number, *factors: Factor) -> Value:
    """Return a number as a value."""
    return Value((), (), {}, (Term(plain(number), (), factors),))
