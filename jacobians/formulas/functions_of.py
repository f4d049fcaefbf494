"""Functions applied to values: nodes of their own, or the sums, products and powers that they are.

What is simpler is written so at once: log(1 + eᵘ) is softplus, 1/(1 + e⁻ᵘ) is σ, log softmax z is z − logsumexp z,
(ABC)⁻¹ is C⁻¹B⁻¹A⁻¹ for square factors, log|det(AB)| is log|det A| + log|det B|.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from jacobians.formulas.determinants import determinant, inverse, log_determinant
from jacobians.formulas.functions import ELEMENTWISE, MATRIX_SLOPES
from jacobians.formulas.nodes import (
    Delta,
    Factor,
    Fn,
    Number,
    Tensor,
    Term,
    fresh,
    plain,
    relabel,
    times_size,
)
from jacobians.formulas.normal import close
from jacobians.formulas.open_values import Value, value_of

if TYPE_CHECKING:
    from jacobians.formulas.lowering import Lowering


def only_factor(tensor: Tensor) -> Factor | None:
    """Return the factor that a tensor is, at its labels in any order, or None."""
    if len(tensor.terms) != 1:
        return None
    (term,) = tensor.terms
    if term.number != 1 or term.monomial or len(term.factors) != 1 or term.factors[0].exponent != 1:
        return None
    factor = term.factors[0]
    return factor if sorted(factor.labels) == list(range(len(tensor.sizes))) else None


def only_function(tensor: Tensor, *names: str) -> Fn | None:
    """Return the function that a tensor is, in the tensor's own order of axes, if it has one of the names."""
    factor = only_factor(tensor)
    if factor is None or not isinstance(factor.node, Fn) or factor.node.name not in names:
        return None
    return factor.node if factor.labels == tuple(range(len(tensor.sizes))) else None


def same_everywhere(tensor: Tensor) -> Tensor | None:
    """Return the number that all entries of a tensor are, or None."""
    constant = all(not factor.labels for term in tensor.terms for factor in term.factors)
    return Tensor((), tensor.terms) if constant else None


def negative(tensor: Tensor) -> Tensor:
    """Return −tensor."""
    return Tensor(tensor.sizes, tuple(t._replace(number=-t.number) for t in tensor.terms))


def plus(*tensors: Tensor) -> Tensor:
    """Return the sum of tensors of one shape."""
    free = fresh(len(tensors[0].sizes))
    return close([t for tensor in tensors for t in tensor.at(free)], free, tensors[0].sizes)


def function(name: str, *args: Tensor) -> Tensor:
    """Return a function entry by entry, of arguments of one shape, as a tensor."""
    if name == "log":
        made = _log(args[0])
        if made is not None:
            return made
    if name == "exp":
        inner = only_function(args[0], "log")
        if inner is not None:
            return inner.args[0]
    sizes = args[0].sizes
    if sizes and name in ELEMENTWISE and args[0].terms and (one := same_everywhere(args[0])) is not None:
        return Tensor(sizes, function(name, one).terms)
    if args[0].zero and name in ELEMENTWISE and (number := ELEMENTWISE[name].at_zero) is not None:
        return Tensor(sizes, (Term(plain(number), (), ()),) if number else ())
    free = tuple(range(len(sizes)))
    return Tensor(sizes, (Term(1, (), (Factor(Fn(name, args, sizes), free),)),))


def _one_and(tensor: Tensor) -> Term | None:
    """Return u of the tensor 1 + u for a single term u."""
    ones = [t for t in tensor.terms if not t.factors and not t.monomial and t.number == 1]
    rest = [t for t in tensor.terms if t.factors]
    return rest[0] if len(tensor.terms) == 2 and len(ones) == 1 == len(rest) else None


def _exponential(tensor: Tensor) -> Tensor | None:
    """Return u of the tensor 1 + eᵘ; also of 1 + 1/eᵘ, as −u."""
    term = _one_and(tensor)
    if term is None or term.number != 1 or term.monomial or len(term.factors) != 1:
        return None
    node, labels, exponent = term.factors[0]
    if not isinstance(node, Fn) or node.name != "exp" or labels != tuple(range(len(tensor.sizes))):
        return None
    return node.args[0] if exponent == 1 else negative(node.args[0]) if exponent == -1 else None


def _log(tensor: Tensor) -> Tensor | None:
    sizes = tensor.sizes
    inner = only_function(tensor, "exp")
    if inner is not None:
        return inner.args[0]
    exponential = _exponential(tensor)
    if exponential is not None:
        return function("softplus", exponential)
    inner = only_function(tensor, "softmax")
    if inner is not None:
        return plus(
            inner.args[0], spread_over(negative(log_sum_exp(inner.args[0], inner.along)), sizes, inner.along)
        )
    inner = only_function(tensor, "sigmoid")
    if inner is not None:
        return plus(inner.args[0], negative(function("softplus", inner.args[0])))
    term = _one_and(tensor)
    if term is not None and term.number == -1 and not term.monomial and len(term.factors) == 1:
        node, labels, exponent = term.factors[0]
        if (
            isinstance(node, Fn)
            and node.name == "sigmoid"
            and exponent == 1
            and labels == tuple(range(len(sizes)))
        ):
            return negative(function("softplus", node.args[0]))
    if sizes or len(tensor.terms) != 1:
        return None
    (term,) = tensor.terms
    if term.number != 1 or term.monomial or len(term.factors) != 1:
        return None
    node, labels, exponent = term.factors[0]
    if isinstance(node, Fn) and node.name == "det":
        made = log_determinant(node.args[0])
        return Tensor((), tuple(t._replace(number=plain(t.number * exponent)) for t in made.terms))
    if isinstance(node, Fn) and node.name == "exp" and exponent == 1 and len(set(labels)) == len(labels) > 0:
        return log_sum_exp(node.args[0], tuple(range(len(labels))))
    if isinstance(node, Tensor) and not node.sizes and exponent == Fraction(1, 2) and len(node.terms) == 1:
        return None
    return None


def rewritten_power(tensor: Tensor, exponent: Number) -> Term | None:
    """Return tensor^exponent where it has a name: 1/(1 + e⁻ᵘ) = σ(u)."""
    if not isinstance(exponent, int) or exponent >= 0:
        return None
    inner = _exponential(tensor)
    if inner is None:
        return None
    free = tuple(range(len(tensor.sizes)))
    sigmoid = Fn("sigmoid", (negative(inner),), tensor.sizes)
    return Term(1, (), (Factor(sigmoid, free, -exponent),))


def normalized_exponential(above: Value, below: Value) -> Value | None:
    """Return softmax u for eᵘ divided by its sum, or None for other quotients."""
    exponential = only_function(above.closed(), "exp")
    total = below.closed()
    if exponential is None or not below.scalar or not exponential.sizes or len(total.terms) != 1:
        return None
    (term,) = total.terms
    if term.number != 1 or term.monomial or len(term.factors) != 1:
        return None
    node, labels, exponent = term.factors[0]
    if node.digest != exponential.digest or exponent != 1 or len(set(labels)) < len(labels):
        return None
    softmax = Fn("softmax", exponential.args, exponential.sizes, tuple(range(len(exponential.sizes))))
    return Value(above.rows, above.columns, above.sizes, (Term(1, (), (Factor(softmax, above.labels),)),))


def spread_over(tensor: Tensor, sizes: Sequence[Any], along: Sequence[int]) -> Tensor:
    """Return a tensor repeated along axes that it does not have."""
    kept = [place for place in range(len(sizes)) if place not in along]
    names = dict(enumerate(kept))
    count = len(kept)
    terms = []
    for term in tensor.terms:
        bound = {la for f in term.factors for la in f.labels if la >= count}
        terms.append(relabel(term, {**names, **dict(zip(sorted(bound), fresh(len(bound)), strict=True))}))
    return close(terms, range(len(sizes)), sizes)


def log_sum_exp(tensor: Tensor, along: tuple[int, ...]) -> Tensor:
    """Return log Σ exp along axes."""
    sizes = tuple(size for place, size in enumerate(tensor.sizes) if place not in along)
    node = Fn("logsumexp", (tensor,), sizes, along)
    return Tensor(sizes, (Term(1, (), (Factor(node, tuple(range(len(sizes)))),)),))


# --- on values -----------------------------------------------------------------------------------------------


def applied(name: str, values: Sequence[Value]) -> Value:
    """Return a function entry by entry of values at the same labels."""
    shape = values[0]
    sizes = [shape.sizes[label] for label in shape.labels]
    made = function(name, *(close(value.terms, shape.labels, sizes) for value in values))
    return Value(shape.rows, shape.columns, shape.sizes, tuple(made.at(shape.labels)))


def _value(tensor: Tensor, rows: int) -> Value:
    return value_of(tensor, rows)


def _inv(low: Lowering, value: Value, axis: int | None) -> Value:
    return low.raised(value, -1) if value.scalar else _value(inverse(value.closed()), len(value.rows))


def _det(low: Lowering, value: Value, axis: int | None) -> Value:
    return value if value.scalar else _value(determinant(value.closed()), 0)


def _logdet(low: Lowering, value: Value, axis: int | None) -> Value:
    return applied("log", [value]) if value.scalar else _value(log_determinant(value.closed()), 0)


def _folded(value: Value) -> Value:
    """Return a square value's diagonal."""
    names = dict(zip(value.columns, value.rows, strict=True))
    terms = tuple(relabel(term, names) for term in value.terms)
    return Value(value.rows, (), {la: value.sizes[la] for la in value.rows}, terms)


def _matrix_function(name: str) -> Callable[[Any, Any, int | None], Any]:
    def rule(low: Lowering, value: Value, axis: int | None) -> Value:
        if value.scalar:
            return applied(_OF_NUMBERS[name], [value])
        closed = value.closed()
        sizes = closed.sizes if name in MATRIX_SLOPES or name in ("polar", "specpair", "eigpair") else ()
        node = Fn(name, (closed,), sizes)
        labels = tuple(range(len(sizes)))
        return _value(Tensor(sizes, (Term(1, (), (Factor(node, labels),)),)), len(value.rows) if sizes else 0)

    return rule


_OF_NUMBERS = {"expm": "exp", "sinm": "sin", "cosm": "cos", "logm": "log"}


def _max(low: Lowering, value: Value, axis: int | None) -> Value:
    along = _along(value, axis)
    closed = value.closed()
    sizes = tuple(size for place, size in enumerate(closed.sizes) if place not in along)
    if not closed.sizes:
        return value
    node = Fn("max", (closed,), sizes, along)
    made = Tensor(sizes, (Term(1, (), (Factor(node, tuple(range(len(sizes)))),)),))
    return _value(made, 0 if axis in (None, 0) else len(value.rows))


def _hardmax(low: Lowering, value: Value, axis: int | None) -> Value:
    closed = value.closed()
    node = Fn("hardmax", (closed,), closed.sizes, _along(value, axis))
    return _value(
        Tensor(closed.sizes, (Term(1, (), (Factor(node, tuple(range(len(closed.sizes)))),)),)),
        len(value.rows),
    )


def _tr(low: Lowering, value: Value, axis: int | None) -> Value:
    inner = only_function(value.closed(), *MATRIX_SLOPES) if not value.scalar else None
    if inner is not None:
        node = Fn(f"tr_{inner.name}", inner.args, ())
        return _value(Tensor((), (Term(1, (), (Factor(node, ()),)),)), 0)
    return value if value.scalar else _sum(low, _folded(value), None)


def _sum(low: Lowering, value: Value, axis: int | None) -> Value:
    gone = value.labels if axis is None else value.rows if axis == 0 else value.columns
    made = low.summed(value, {la: value.sizes[la] for la in gone})
    rows = tuple(la for la in value.rows if la not in gone)
    columns = tuple(la for la in value.columns if la not in gone)
    return Value(rows, columns, {la: value.sizes[la] for la in (*rows, *columns)}, made.terms)


def _mean(low: Lowering, value: Value, axis: int | None) -> Value:
    made = _sum(low, value, axis)
    terms = []
    for term in made.terms:
        number, monomial = term.number, term.monomial
        for label in value.labels:
            if label not in made.labels:
                by, monomial = times_size(monomial, value.sizes[label], -1)
                number = number * by
        terms.append(Term(plain(number), monomial, term.factors))
    return Value(made.rows, made.columns, made.sizes, tuple(terms))


def _along(value: Value, axis: int | None) -> tuple[int, ...]:
    rows, count = len(value.rows), len(value.labels)
    return (
        tuple(range(count))
        if axis is None
        else tuple(range(rows))
        if axis == 0
        else tuple(range(rows, count))
    )


def _softmax(low: Lowering, value: Value, axis: int | None) -> Value:
    closed = value.closed()
    node = Fn("softmax", (closed,), closed.sizes, _along(value, axis))
    return _value(
        Tensor(closed.sizes, (Term(1, (), (Factor(node, tuple(range(len(closed.sizes)))),)),)),
        len(value.rows),
    )


def _logsumexp(low: Lowering, value: Value, axis: int | None) -> Value:
    return _value(
        log_sum_exp(value.closed(), _along(value, axis)), 0 if axis in (None, 0) else len(value.rows)
    )


def _logsoftmax(low: Lowering, value: Value, axis: int | None) -> Value:
    return applied("log", [_softmax(low, value, axis)])


def _norm2(low: Lowering, value: Value, axis: int | None) -> Value:
    return low.raised(_sum(low, low.raised(value, 2), axis), Fraction(1, 2))


def _norm1(low: Lowering, value: Value, axis: int | None) -> Value:
    return _sum(low, applied("abs", [value]), axis)


def _diag(low: Lowering, value: Value, axis: int | None) -> Value:
    if value.rows and value.columns:
        return _folded(value)
    columns = fresh(len(value.labels))
    deltas = tuple(Factor(Delta(value.sizes[a]), (a, b)) for a, b in zip(value.labels, columns, strict=True))
    sizes = {**value.sizes, **{b: value.sizes[a] for a, b in zip(value.labels, columns, strict=True)}}
    one = low._single(value)
    return Value(value.labels, columns, sizes, (one._replace(factors=(*one.factors, *deltas)),))


def _vec(low: Lowering, value: Value, axis: int | None) -> Value:
    return Value(value.labels, (), value.sizes, value.terms)


def _transpose(low: Lowering, value: Value, axis: int | None) -> Value:
    return Value(value.columns, value.rows, value.sizes, value.terms)


WHOLE_RULES: dict[str, Callable[[Any, Any, int | None], Any]] = {
    "inv": _inv,
    "det": _det,
    "logdet": _logdet,
    "tr": _tr,
    "sum": _sum,
    "mean": _mean,
    "softmax": _softmax,
    "logsoftmax": _logsoftmax,
    "logsumexp": _logsumexp,
    "norm2": _norm2,
    "normF": _norm2,
    "norm1": _norm1,
    "diag": _diag,
    "max": _max,
    "min": lambda low, value, axis: low.scaled(_max(low, low.scaled(value, -1), axis), -1),
    "hardmax": _hardmax,
    **{
        name: _matrix_function(name)
        for name in (*MATRIX_SLOPES, "specnorm", "nuclear", "eigmax", "polar", "specpair", "eigpair")
    },
    "vec": _vec,
    "transpose": _transpose,
    "sqrt": lambda low, value, axis: low.raised(value, Fraction(1, 2)),
    "square": lambda low, value, axis: low.raised(value, 2),
}
"""What each function of whole arrays becomes."""
