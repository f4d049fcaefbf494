"""Inverses and determinants: (ABC)⁻¹ = C⁻¹B⁻¹A⁻¹ and det(AB) = det A · det B, for square factors."""

from __future__ import annotations

from fractions import Fraction

from jacobians.formulas.nodes import Delta, Factor, Fn, Number, Sym, Tensor, Term, plain
from jacobians.formulas.normal import close, power


def _square_factors(tensor: Tensor) -> tuple[Term, list[Factor]] | None:
    """Return the numbers before a chain of square matrices, and the chain from its left end to its right."""
    if len(tensor.terms) != 1 or len(tensor.sizes) != 2:
        return None
    (term,) = tensor.terms
    scalars = tuple(f for f in term.factors if not f.labels)
    matrices = [f for f in term.factors if f.labels]
    if any(len(f.labels) != 2 or f.exponent != 1 or f.node.sizes != tensor.sizes for f in matrices):
        return None
    chain, at = [], 0
    while matrices:
        following = [f for f in matrices if at in f.labels]
        if len(following) != 1 or following[0].labels[0] == following[0].labels[1]:
            return None
        (factor,) = following
        matrices = [f for f in matrices if f is not factor]
        chain.append(factor)
        at = factor.labels[1] if factor.labels[0] == at else factor.labels[0]
    return (term._replace(factors=scalars), chain) if at == 1 and tensor.sizes[0] == tensor.sizes[1] else None


def _inverse_factor(factor: Factor) -> list[Factor]:
    node, (a, b), _ = factor
    if isinstance(node, Delta):
        return [factor]
    if isinstance(node, Sym) and "orthogonal" in node.tags:
        return [Factor(node, (a, b))]
    if isinstance(node, Fn) and node.name == "inv":
        return [Factor(node.args[0], (b, a))]
    inner = node if isinstance(node, Tensor) else Tensor(node.sizes, (Term(1, (), (Factor(node, (0, 1)),)),))
    return [Factor(Fn("inv", (inner,), node.sizes), (b, a))]


def inverse(tensor: Tensor) -> Tensor:
    """Return the inverse of a tensor whose first half of axes are rows."""
    chain = _square_factors(tensor)
    half = len(tensor.sizes) // 2
    if chain is not None:
        scalars, factors = chain
        number: Number = Fraction(1) / scalars.number
        monomial = tuple((s, -e) for s, e in scalars.monomial)
        below = tuple(f._replace(exponent=-f.exponent) for f in scalars.factors)
        made = Term(plain(number), monomial, (*below, *(g for f in factors for g in _inverse_factor(f))))
        return close([made], (1, 0), tensor.sizes)
    if len(tensor.terms) == 1 and half == 1:
        (term,) = tensor.terms
        if any(isinstance(f.node, Delta) and sorted(f.labels) == [0, 1] for f in term.factors):
            entries = close([term._replace(factors=tuple(f for f in term.factors if not isinstance(f.node, Delta)))],
                            (0,), tensor.sizes[:1])  # fmt: skip
            raised = power(entries, -1)
            return close([raised._replace(factors=(*raised.factors, Factor(Delta(tensor.sizes[0]), (0, 1))))],
                         (0, 1), tensor.sizes)  # fmt: skip
    return Tensor(
        tensor.sizes, (Term(1, (), (Factor(Fn("inv", (tensor,), tensor.sizes), tuple(range(2 * half))),)),)
    )


def _matrix(factor: Factor) -> Tensor:
    if isinstance(factor.node, Tensor):
        return factor.node
    return Tensor(factor.node.sizes, (Term(1, (), (Factor(factor.node, (0, 1)),)),))


def log_determinant(tensor: Tensor) -> Tensor:
    """Return log|det|, that of each square factor by itself."""
    chain = _square_factors(tensor)
    if chain is None or len(chain[1]) < 1 or chain[0] != Term(1, (), ()):
        return Tensor((), (Term(1, (), (Factor(Fn("logdet", (tensor,), ()), ()),)),))
    terms = []
    for factor in chain[1]:
        node = factor.node
        if isinstance(node, Delta) or (isinstance(node, Sym) and "orthogonal" in node.tags):
            continue
        sign = -1 if isinstance(node, Fn) and node.name == "inv" else 1
        inner = node.args[0] if sign < 0 and isinstance(node, Fn) else _matrix(factor)
        terms.append(Term(sign, (), (Factor(Fn("logdet", (inner,), ()), ()),)))
    return close(terms, (), ())


def determinant(tensor: Tensor) -> Tensor:
    """Return the determinant, a product over square factors."""
    chain = _square_factors(tensor)
    if chain is None or chain[0] != Term(1, (), ()):
        return Tensor((), (Term(1, (), (Factor(Fn("det", (tensor,), ()), ()),)),))
    factors = []
    for factor in chain[1]:
        node = factor.node
        if isinstance(node, Delta):
            continue
        below = isinstance(node, Fn) and node.name == "inv"
        inner = node.args[0] if below and isinstance(node, Fn) else _matrix(factor)
        factors.append(Factor(Fn("det", (inner,), ()), (), -1 if below else 1))
    return close([Term(1, (), tuple(factors))], (), ())
