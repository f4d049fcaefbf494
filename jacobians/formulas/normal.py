"""The normal form: rules that rewrite products of factors, each with its side condition.

R1 a single term in brackets is written out (a sum stays one factor). R2 δ renames a summed label. R3 an empty sum is
a size. R4 probabilities and softmax sum to 1; a sum over a bracket that stands alone is taken term by term. R5
exponents of equal bases add (base ≠ 0 where a negative one cancels; base > 0 where one has letters). R6 |u| sign u =
u. R7 A⁻¹A = I (A invertible) and QᵀQ = I (Q orthogonal).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from jacobians.formulas.effort import spend
from jacobians.formulas.nodes import (
    Atom,
    Delta,
    Factor,
    Fn,
    Labels,
    Monomial,
    Number,
    Sym,
    Tensor,
    Term,
    canonical_factors,
    instantiate,
    plain,
    relabel,
    times,
    times_size,
)


def close(
    terms: Iterable[Term], free: Sequence[int], sizes: Sequence[Atom], *, spread: int | None = None
) -> Tensor:
    """Return the sum of open terms as a tensor: normal form, like terms together.

    Parameters
    ----------
    terms : iterable of Term
        With labels of their own.
    free : sequence of int
        The labels that stay, in order.
    sizes : sequence
        Their sizes.
    spread : int, optional
        From how many axes on sums in brackets are multiplied out; by default none is.
    """
    names = {label: place for place, label in enumerate(free)}
    found: dict[object, Term] = {}
    work = list(terms)[::-1]
    while work:
        term = work.pop()
        spend(10 * (len(term.factors) + 1))
        if term.number == 0:
            continue
        made = _normal(term, names.keys(), spread)
        if isinstance(made, list):
            work += made[::-1]
            continue
        closed = relabel(made, names)
        key = (closed.monomial, canonical_factors(closed.factors, range(len(names))))
        before = found.get(key)
        number = plain(closed.number + (before.number if before else 0))
        if number == 0:
            del found[key]
        else:
            found[key] = (before or closed)._replace(number=number)
    return Tensor(tuple(sizes), tuple(found.values()))


def _normal(term: Term, free: Iterable[int], spread: int | None) -> Term | list[Term]:
    """Return a term in normal form, or terms that are still to be brought into it (none: the term is 0)."""
    number, monomial, factors = term
    # --- R1: single terms, and 0, in brackets
    work, flat = list(factors)[::-1], []
    while work:
        factor = work.pop()
        node, labels, exponent = factor
        if exponent == 0:
            continue
        if isinstance(node, Tensor):
            if node.zero:
                if exponent > 0:
                    return []
            elif exponent == 1 and len(node.terms) == 1:
                inner = instantiate(node.terms[0], labels)
                number, monomial = number * inner.number, times(monomial, inner.monomial)
                work += inner.factors[::-1]
                continue
        flat.append(factor)
    sizes = {la: s for node, labels, _ in flat for la, s in zip(labels, node.sizes, strict=True)}
    bound = sizes.keys() - set(free)
    # --- R2
    flat = _without_deltas(flat, bound)

    def opened(factor: Factor) -> list[Term]:
        rest = [f for f in flat if f is not factor]
        inside = factor.node.at(factor.labels) if isinstance(factor.node, Tensor) else []
        return [
            _sized(number * t.number, times(monomial, t.monomial), (*rest, *t.factors), sizes, bound)
            for t in inside
        ]

    if spread is not None:
        for factor in flat:
            if isinstance(factor.node, Tensor) and factor.exponent == 1 and len(factor.labels) >= spread:
                return opened(factor)
    # --- R5 and R6
    flat = _merged(flat)
    if any(isinstance(node, Tensor) and exponent == 1 and len(node.terms) == 1 for node, _, exponent in flat):
        return [_sized(number, monomial, flat, sizes, bound)]
    # --- R4 and R7
    alone = _alone(flat, bound)
    if alone is not None:
        if isinstance(alone.node, Tensor):
            return opened(alone)
        rest = [factor for factor in flat if factor is not alone]
        return [_sized(number, monomial, rest, sizes, bound - set(alone.labels))]
    pair = _cancelled(flat, bound)
    if pair is not None:
        return [_sized(number, monomial, pair[0], sizes, bound - {pair[1]})]
    return _sized(number, monomial, flat, sizes, bound)


def _sized(
    number: Number,
    monomial: Monomial,
    factors: Iterable[Factor],
    sizes: dict[int, Atom],
    bound: Iterable[int],
) -> Term:
    """Return a term in which each summed label that no factor carries any more has become its size (R3)."""
    factors = tuple(factors)
    seen = {label for _, labels, _ in factors for label in labels}
    for label in sorted(set(bound) - seen):
        by, monomial = times_size(monomial, sizes[label])
        number = number * by
    return Term(plain(number), monomial, factors)


def _without_deltas(factors: list[Factor], bound: set[int]) -> list[Factor]:
    """Return factors after each δ has renamed a summed label; one between two that stay, stays (R2).

    Labels that vanish by renaming are taken from `bound`: they stand for no sum any more.
    """
    place = 0
    factors = list(factors)
    while place < len(factors):
        node, labels, _ = factors[place]
        if not isinstance(node, Delta):
            place += 1
            continue
        a, b = labels
        if a == b:
            del factors[place]
            continue
        keep, gone = (a, b) if b in bound else (b, a) if a in bound else (min(a, b), max(a, b))
        others = factors[:place] + factors[place + 1 :]
        if gone not in bound and not any(gone in labels for _, labels, _ in others):
            factors[place] = Factor(node, (keep, gone))
            place += 1
            continue
        stays = gone not in bound
        factors = [
            f
            if gone not in f.labels
            else f._replace(labels=tuple([keep if la == gone else la for la in f.labels]))
            for f in others
        ]
        if stays:
            factors.insert(place, Factor(node, (keep, gone)))
            place += 1
            seen = [f for f in factors if isinstance(f.node, Delta)]
            if len(seen) > 1:
                place = 0 if any(f.labels[0] == f.labels[1] for f in seen) else place
        else:
            bound.discard(gone)
            place = 0
    return factors


def _merged(factors: list[Factor]) -> list[Factor]:
    found: dict[tuple[str, Labels], Factor] = {}
    for node, labels, exponent in factors:
        key = (node.digest, tuple(sorted(labels)) if node.symmetric else labels)
        if key in found:
            if not isinstance(node, Delta):
                found[key] = found[key]._replace(exponent=plain(found[key].exponent + exponent))
        else:
            found[key] = Factor(node, labels, exponent)
    made = [factor for factor in found.values() if factor.exponent != 0]
    for place, (node, labels, exponent) in enumerate(made):
        if isinstance(node, Fn) and node.name in ("abs", "sign"):
            inner = Factor(node.args[0], labels)
            if node.name == "abs" and isinstance(exponent, int) and exponent % 2 == 0:
                made[place] = inner._replace(exponent=exponent)
                return _merged(made)
            twin = Fn("sign" if node.name == "abs" else "abs", node.args, node.sizes)
            other = found.get((twin.digest, tuple(sorted(labels)) if twin.symmetric else labels))
            if other is not None and exponent == 1 == other.exponent:
                return _merged([inner if f is made[place] else f for f in made if f is not other])
        elif isinstance(node, Fn) and node.name == "power" and exponent == 1:
            joined = _joined_power(node, labels, made)
            if joined is not None:
                raised, other = joined
                return _merged([raised if f is made[place] else f for f in made if f is not other])
    return made


def _joined_power(node: Fn, labels: Labels, factors: list[Factor]) -> tuple[Factor, Factor] | None:
    """Return b^(e + k) for b^e and another factor b^k, and that factor."""
    base, exponent = node.args
    if len(base.terms) != 1 or base.terms[0].number != 1 or base.terms[0].monomial:
        return None
    if len(base.terms[0].factors) != 1:
        return None
    (own,) = base.terms[0].factors
    if any(label >= len(labels) for label in own.labels):
        return None
    at = tuple(labels[label] for label in own.labels)
    for other in factors:
        steps = Fraction(other.exponent) / Fraction(own.exponent)
        if other.node.digest == own.node.digest and other.labels == at and steps.denominator == 1:
            free = range(len(exponent.sizes))
            more = close([*exponent.terms, Term(int(steps), (), ())], free, exponent.sizes)
            return Factor(Fn("power", (base, more), node.sizes), labels), other
    return None


def _alone(factors: list[Factor], bound: set[int]) -> Factor | None:
    """Return a factor whose sum is taken by itself: a probability, a softmax, or a bracket (R4)."""
    if not bound:
        return None
    uses: dict[int, int] = {}
    for _, labels, _ in factors:
        for label in labels:
            uses[label] = uses.get(label, 0) + 1
    for factor in factors:
        node, labels, exponent = factor
        if exponent != 1 or not labels:
            continue
        if isinstance(node, Sym) and "probability" in node.tags:
            along: Sequence[int] = range(len(labels))
        elif isinstance(node, Fn) and node.name == "softmax":
            along = node.along
            if len(along) != len(labels):  # a batch: the other labels would lose their factor
                continue
        elif isinstance(node, Tensor):
            along = range(len(labels))
        else:
            continue
        if all(labels[place] in bound and uses[labels[place]] == 1 for place in along):
            return factor
    return None


def _cancelled(factors: list[Factor], bound: set[int]) -> tuple[list[Factor], int] | None:
    """Return factors with A⁻¹A or QᵀQ become δ, and the label that went (R7)."""
    ends: dict[int, list[Factor]] = {}
    for factor in factors:
        for label in set(factor.labels):
            ends.setdefault(label, []).append(factor)
    for label in bound:
        pair = ends.get(label, [])
        if len(pair) != 2 or any(
            len(f.labels) != 2 or f.exponent != 1 or f.labels[0] == f.labels[1] for f in pair
        ):
            continue
        for one, two in (pair, pair[::-1]):
            if _inverses(one, two, label):
                far = tuple(f.labels[1] if f.labels[0] == label else f.labels[0] for f in (one, two))
                rest = [f for f in factors if f is not one and f is not two]
                place = one.labels.index(far[0])
                return [*rest, Factor(Delta(one.node.sizes[place]), far)], label
    return None


def _inverses(one: Factor, two: Factor, label: int) -> bool:
    a, b = one.node, two.node
    same_end = one.labels.index(label) == two.labels.index(label)
    if isinstance(a, Sym) and "orthogonal" in a.tags:
        return same_end and a.digest == b.digest
    if not (isinstance(a, Fn) and a.name == "inv"):
        return False
    (inner,) = a.args
    wanted = inner.digest if isinstance(b, Tensor) else None
    if len(inner.terms) == 1 and len(inner.terms[0].factors) == 1 and inner.terms[0].number == 1:
        only = inner.terms[0]
        if only.factors[0].labels == (0, 1) and only.factors[0].exponent == 1 and not only.monomial:
            wanted = only.factors[0].node.digest
    return wanted == b.digest and (not same_end or b.symmetric)


def power(tensor: Tensor, exponent: int | Fraction) -> Term:
    """Return tensor^exponent, entry by entry, as an open term with labels from 0 on.

    What stands in a product without a sum of its own is raised by itself for integer exponents: (c u v)² = c² u² v².
    """
    exponent = plain(exponent)
    free = tuple(range(len(tensor.sizes)))
    if exponent == 1 or not tensor.terms:
        return Term(1, (), (Factor(tensor, free, exponent),))
    if len(tensor.terms) > 1:
        return Term(1, (), (Factor(tensor, free, exponent),))
    (term,) = tensor.terms
    whole = isinstance(exponent, int)
    bound = {la for f in term.factors for la in f.labels if la not in free}
    if not whole and (
        bound or len(term.factors) > 1 or term.monomial or any(f.exponent != 1 for f in term.factors)
    ):
        return Term(1, (), (Factor(tensor, free, exponent),))
    number: Number = Fraction(1)
    rest_number = term.number
    if whole:
        number, rest_number = Fraction(term.number) ** int(exponent), 1
    elif term.number != 1 and (term.number < 0 or term.factors == ()):
        return Term(1, (), (Factor(tensor, free, exponent),))
    monomial = term.monomial
    if isinstance(exponent, int):
        monomial = tuple((s, e * exponent) for s, e in monomial)
    out, held = [], []
    for factor in term.factors:
        raised = factor.exponent * exponent
        if any(la in bound for la in factor.labels):
            held.append(factor)
        else:
            out.append(factor._replace(exponent=plain(raised)))
    for group in _components(held, bound):
        labels = tuple(sorted({la for f in group for la in f.labels if la not in bound}))
        inner = close([Term(1, (), tuple(group))], labels, [tensor.sizes[la] for la in labels])
        out.append(Factor(inner, labels, exponent))
    if rest_number != 1:
        out.append(Factor(Tensor((), (Term(rest_number, (), ()),)), (), exponent))
    return Term(plain(number), monomial, tuple(out))


def _components(factors: list[Factor], bound: set[int]) -> list[list[Factor]]:
    groups: list[tuple[set[int], list[Factor]]] = []
    for factor in factors:
        labels, members = set(factor.labels) & bound, [factor]
        apart = []
        for other, inside in groups:
            if other & labels:
                labels, members = labels | other, inside + members
            else:
                apart.append((other, inside))
        groups = [*apart, (labels, members)]
    return [members for _, members in groups]
