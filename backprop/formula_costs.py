"""What a formula's derivative costs: every bracketing of each term in letters and in numbers; sums as a graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backprop.chain import Chain, derivative_of
from backprop.compare import compare
from backprop.symbolic_costs import SymbolicCosts, symbolic_costs
from jacobians.formulas import FormulaError
from jacobians.formulas.specs import chains_of
from jacobians.graph.graph import Graph
from jacobians.numerics.arguments import checked_mapping


@dataclass(frozen=True)
class FormulaCosts:
    """The costs of a Jacobian as it is printed.

    Attributes
    ----------
    formula, by, line : str
        What was derived, and the Jacobian matrix.
    chains : tuple of Chain
        Its terms, with letters for the sizes that were not given.
    numbers : tuple of Chain
        Its terms with all sizes as numbers; empty without them.
    graph : Graph or None
        The terms as paths from the input to the output, with numbers; None for one term.
    """

    formula: str
    by: str
    line: str
    chains: tuple[Chain, ...]
    numbers: tuple[Chain, ...] = ()
    graph: Graph | None = None

    @property
    def letters(self) -> tuple[SymbolicCosts | None, ...]:
        """The cost of each bracketing of each term, in letters; None for a term without letters or products."""
        return tuple(
            symbolic_costs(chain) if len(chain) > 1 and any(spec.letters for spec in chain.specs) else None
            for chain in self.chains
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the costs as plain data."""
        return {
            "line": self.line,
            "terms": [
                {
                    "factors": list(chain.names),
                    "letters": None if costs is None else costs.to_dict(),
                    "numbers": compare(self.numbers[place]).to_dict()
                    if self.numbers and len(chain) > 1
                    else None,
                }
                for place, (chain, costs) in enumerate(zip(self.chains, self.letters, strict=True))
            ],
            "graph": None if self.graph is None else self.graph.plan("optimal").cost.multiplications,
        }

    def __str__(self) -> str:
        parts = [f"∂({self.formula})/∂{self.by} = {self.line}"]
        for place, (chain, costs) in enumerate(zip(self.chains, self.letters, strict=True)):
            if len(self.chains) > 1:
                parts.append(f"term {place + 1}: {' · '.join(chain.names)}")
            if len(chain) == 1:
                parts.append("nothing is multiplied")
                continue
            parts += [str(costs)] if costs is not None else []
            parts += [str(compare(self.numbers[place]))] if self.numbers else []
        if self.graph is not None:
            plan = self.graph.plan("optimal")
            parts.append(
                f"all terms as a graph, their sum too: {plan.cost.multiplications:,} multiplications at least"
            )
        return "\n\n".join(parts)


def formula_costs(
    formula: Any,
    by: str = "",
    *,
    declare: Mapping[str, Any] | None = None,
    vec: str = "row",
    sizes: Mapping[str, int] | None = None,
) -> FormulaCosts:
    """Return what the Jacobian of a formula costs, by the rows of the table of products, in letters and numbers.

    Parameters
    ----------
    formula, by, declare
        As for :func:`jacobians.derive`; a derivative of its own may stand for the formula.
    vec : str
        "row" or "column".
    sizes : mapping, optional
        Numbers for all letters: then numbers are shown beside the expressions.

    Raises
    ------
    FormulaError
        If the formula is not understood, has no matrix notation, or `sizes` does not name all its letters.

    Examples
    --------
    >>> print(formula_costs("U*tanh(W*x)", "x"))
    ∂(U*tanh(W*x))/∂x = U·diag(1 − tanh(W·x)∘²)·W
    <BLANKLINE>
    strategy  bracketing                   multiplications  additions
    ────────  ───────────────────────────  ───────────────  ───────────
    left      (U·diag(1 − tanh(W·x)∘²))·W  m·n·(p + 1)      m·p·(n - 1)
    right     U·(diag(1 − tanh(W·x)∘²)·W)  n·p·(m + 1)      m·p·(n - 1)
    <BLANKLINE>
    left beats right iff m < p
    right beats left iff p < m
    <BLANKLINE>
    The letters are sizes above 1; an order beats another if it has fewer
    multiplications.
    """
    if sizes is not None:
        checked_mapping(sizes, "sizes", "numbers by letter, such as {'n': 3}")
    d = derivative_of(formula, by, declare)
    line = repr(d.matrix(vec))
    chains = [
        Chain.from_specs([p.spec for p in term], names=[p.name for p in term]) for term in chains_of(d, vec)
    ]
    if not sizes:
        return FormulaCosts(d.formula, d.by, line, tuple(chains))
    terms = chains_of(d, vec, sizes)
    missing = sorted({str(letter) for term in terms for part in term for letter in part.spec.letters})
    if missing:
        raise FormulaError(f"sizes: found no number for {', '.join(missing)}, expected one for each letter")
    numbers = [Chain.from_specs([p.spec for p in term], names=[p.name for p in term]) for term in terms]
    graph = None
    if len(numbers) > 1:
        vertices, edges = ["input"], []
        for place, chain in enumerate(numbers):
            at = "input"
            for step, spec in enumerate(reversed(chain.specs)):
                last = step == len(chain) - 1
                to = "output" if last else f"{place}.{step}"
                vertices.append(to)
                edges.append((at, to, spec))
                at = to
        graph = Graph.from_edges(["input"], list(dict.fromkeys(vertices)), ["output"], edges)
    return FormulaCosts(d.formula, d.by, line, tuple(chains), tuple(numbers), graph)
