"""Break each rule of closed forms once, and say which tests notice: ``python benchmarks/formula_mutations.py``.

The rules R1 to R7 of the normal form, each row of the tables of slopes and of derivative rules: a sign is flipped, a
term dropped, or a side condition forgotten, in the running code, one at a time; the tests' own judge is the witness.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "witnesses")]

import formula_judge  # noqa: E402
from identities import IDENTITIES  # noqa: E402

from jacobians.formulas import differentiation, lowering, lowering_moves, normal, selections  # noqa: E402
from jacobians.formulas.functions import ELEMENTWISE, MATRIX_SLOPES  # noqa: E402
from jacobians.formulas.nodes import Tensor, Term  # noqa: E402
from jacobians.formulas.open_values import Value  # noqa: E402
from jacobians.formulas.size_sums import plus  # noqa: E402
from jacobians.formulas.tree import Node  # noqa: E402

MORE = [
    *((f"{name}(x)", "x", {}) for name in ELEMENTWISE),
    *((f"tr({name}(S))", "S", {"S": "positive definite"}) for name in MATRIX_SLOPES),
    ("max(x)", "x", {}),
    ("specnorm(X)", "X", {}),
    ("nuclear(X)", "X", {}),
    ("eigmax(S)", "S", {"S": "positive definite"}),
    ("exp(x).^y", "y", {}),
    ("exp(x).^y", "x", {}),
    ("abs(x).*sign(x)", "x", {}),
    ("abs(x).^2", "x", {}),
    ("Q'*Q*x", "x", {"Q": "orthogonal"}),
    ("tr(inv(A)*A*X)*x", "x", {}),
    ("inv(A)*B*x + inv(B)*A*x", "x", {"A": "n×n", "B": "n×n"}),
    ("ones(n)'*ones(n)*x", "x", {"x": "n"}),
    ("Q*Q*x", "x", {"Q": "orthogonal 3×3"}),
    ("tr(inv(A)*A)*x", "x", {}),
    ("sum(softmax(x).*y)", "x", {}),
    ("sum(softmax(x))*x", "x", {}),
    ("softmax(X, axis=1)*y", "X", {}),
    ("mean(x)*x", "x", {}),
    ("x.*x.*x", "x", {}),
    ("x./(x.*x.*x)", "x", {}),
    ("tr(X)*tr(A)*x", "x", {}),
    ("diag(x)*y", "x", {}),
    ("(2*(3*x))'*x", "x", {}),
    ("x[1:].*x[:-1]", "x", {}),
    ("sum((x[1:] - x[:-1]).^2)", "x", {}),
    ("tanh(W*[x; y; z])", "W", {}),
    ("tanh(W*[x; y; z])", "y", {}),
]


def judged(limit: int) -> str | None:
    """Return the first formula of the collection that the judge finds wrong."""
    rows = [*MORE, *((row.formula, row.by, row.declare) for row in IDENTITIES)]
    for formula, by, declare in rows[:limit]:
        if by.startswith("vech"):
            continue
        try:
            formula_judge.judge(formula, by, declare, (1,))
        except Exception as error:
            if "no point" not in str(error):
                return f"{formula} by {by}: {str(error).splitlines()[0][:60]}"
    return None


def mutations() -> Iterator[tuple[str, Any]]:
    """Yield what is broken, and the context in which it is."""
    for name, row in ELEMENTWISE.items():
        if name not in ("sign", "step"):
            yield (
                f"{name}: sign of the slope",
                mock.patch.dict(ELEMENTWISE, {name: replace(row, slope=f"-({row.slope})")}),
            )
    for name, slope in MATRIX_SLOPES.items():
        yield f"tr {name}: sign of the slope", mock.patch.dict(MATRIX_SLOPES, {name: f"-({slope})"})
    for name, rule in differentiation._RULES.items():
        yield f"{name}: a sign", mock.patch.dict(differentiation._RULES, {name: _signed(rule)})
        yield (
            f"{name}: a term",
            mock.patch.dict(differentiation._RULES, {name: lambda *args, rule=rule: rule(*args)[1:]}),
        )
    at = lambda name, value: mock.patch.object(normal, name, value)  # noqa: E731
    instantiate, deltas, sized, merged = (
        normal.instantiate,
        normal._without_deltas,
        normal._sized,
        normal._merged,
    )
    alone, inverses, times_size = normal._alone, normal._inverses, normal.times_size
    joined = normal._joined_power
    yield (
        "R1: the number of what is written out",
        at("instantiate", lambda t, labels: instantiate(t, labels)._replace(number=1)),
    )
    yield (
        "R1: a factor of it",
        at("instantiate", lambda t, la: (lambda m: m._replace(factors=m.factors[:-1]))(instantiate(t, la))),
    )
    yield "R2: δ is dropped", at("_without_deltas", lambda factors, bound: [
        f for f in deltas(factors, bound) if type(f.node).__name__ != "Delta"])  # fmt: skip
    yield "R3: an empty sum is 1", at("times_size", lambda monomial, size, exponent=1: (1, monomial))
    yield "R3: the size's exponent", at("times_size", lambda m, size, e=1: times_size(m, size, -e))
    yield "R4: whatever is summed is 1", at("_alone", lambda factors, bound: alone(factors, bound) or next(
        (f for f in factors if f.labels and set(f.labels) <= set(bound) and f.exponent == 1), None))  # fmt: skip
    yield "R5: exponents are not added", at("_merged", _without_sums(merged))
    yield "R5: exponents with letters are not added", at("_joined_power", lambda node, labels, factors: (
        lambda made: made and (made[0]._replace(node=node), made[1]))(joined(node, labels, factors)))  # fmt: skip
    yield "R6: |u|·sign u is |u|", at("Factor", _Forgetting)
    yield "R7: any two matrices cancel", at("_inverses", lambda one, two, label: True)
    yield "R7: orthogonal at either end", at("_inverses", lambda one, two, label: inverses(one, two, label) or (
        "orthogonal" in getattr(one.node, "tags", ())))  # fmt: skip
    assert sized is normal._sized
    place, chosen, tiled = lowering_moves.place_in, selections.selection, selections._stack
    stack = lowering._RULES["stack"]
    yield "slice: one entry later", mock.patch.object(lowering_moves, "place_in", lambda size, at: plus(
        place(size, at), {(): 1}))  # fmt: skip
    yield "slice: from the end as from the beginning", mock.patch.object(
        lowering_moves, "place_in", lambda size, at: place(size, abs(at) if isinstance(at, int) else at))  # fmt: skip
    yield "stack: without its first part", mock.patch.dict(lowering._RULES, {"stack": lambda low, node: (
        lambda made: Value(made.rows, made.columns, made.sizes, made.terms[1:]))(stack(low, node))})  # fmt: skip
    yield "slices for columns of I: others", mock.patch.object(selections, "selection", lambda node: (
        lambda made: made and (made[0], (0, made[1][1]) if isinstance(made[1], tuple) else made[1]))(chosen(node)))  # fmt: skip
    yield "a sum as a stack: in another order", mock.patch.object(selections, "_stack", lambda *args: (
        lambda made: made and Node(made.op, made.args[::-1], made.value))(tiled(*args)))  # fmt: skip


def _signed(rule: Callable[..., list[Term]]) -> Callable[..., list[Term]]:
    def wrong(*args: Any) -> list[Term]:
        first, *rest = rule(*args)
        return [first._replace(number=-first.number), *rest]

    return wrong


def _without_sums(merged: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(factors: Any) -> Any:
        return merged(list({(f.node.digest, f.labels): f for f in factors}.values()))

    return wrong


class _Forgetting:
    """Makes factors with the argument of |u| squared: what R6 would give if it were wrong."""

    def __new__(cls, node: Any, labels: Any, exponent: Any = 1) -> Any:
        from jacobians.formulas.nodes import Factor

        doubled = isinstance(node, Tensor) and exponent == 1 and len(node.terms) == 1
        return Factor(node, labels, 2 if doubled else exponent)


def main() -> int:
    """Break one thing after another; return 1 if one is not seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="only what holds this text")
    parser.add_argument("--limit", type=int, default=10**6, help="how many formulas are judged at most")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if (wrong := judged(options.limit)) is not None:
        print(f"wrong without any mutation: {wrong}")
        return 2
    unseen = []
    for name, broken in mutations():
        if options.only not in name:
            continue
        differentiation.slope_of.cache_clear()
        with broken:
            found = judged(options.limit)
        differentiation.slope_of.cache_clear()
        print(f"{name:<45} {'NOT SEEN' if found is None else found}")
        unseen += [name] if found is None else []
    print(f"{len(unseen)} not seen" + (f": {', '.join(unseen)}" if unseen else ""))
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main())
