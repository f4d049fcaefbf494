"""Networks in which paths meet: their graph in the place of a chain, with plans that count everything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from backprop.plan import MODES
from backprop.ratios import ratio
from jacobians import Cost, Graph, Jacobian, Spec
from jacobians.equality import ByValue
from jacobians.markup import aligned
from jacobians.numerics.arguments import checked_flag
from jacobians.picture import Picture
from jacobians.planning.elimination import Elimination
from jacobians.planning.plan import GraphPlan, GraphStep
from jacobians.products.core import edition


class NetworkGraph(ByValue):
    """The derivative of one output by one input of a graph, not yet multiplied; it is planned like a :class:`Chain`.

    Parameters
    ----------
    graph : Graph
        With one output, and all edges with numbers.
    source : int, optional
        The vertex to differentiate by; without one the only input.

    Raises
    ------
    ValueError
        If there are several outputs, or several inputs and none is chosen.

    Examples
    --------
    >>> from jacobians import Residual, Sequential, Tanh, trace
    >>> graph = NetworkGraph(trace(Sequential(Residual(Tanh()), Residual(Tanh())), [0.0, 0.0], wrt=["input"]))
    >>> plan = graph.plan("reverse")
    >>> plan.cost, plan.execute().cost
    (Cost(multiplications=2, additions=4), Cost(multiplications=2, additions=4))
    >>> plan.execute().jacobian.dense()
    array([[4., 0.],
           [0., 4.]])
    """

    live_units = None  # units that exact zeros switch off are not looked for in graphs

    def __init__(self, graph: Graph, source: int | None = None) -> None:
        if len(graph.outputs) != 1:
            raise ValueError(f"graph: found {len(graph.outputs)} outputs, expected one")
        if source is None and len(graph.inputs) != 1:
            raise ValueError(
                f"source: found none for {len(graph.inputs)} inputs, expected one of {graph.inputs}"
            )
        source = graph.inputs[0] if source is None else source
        if source not in graph.inputs:
            raise ValueError(f"source: found {source}, expected one of {graph.inputs}")
        self.graph = graph.by([source])
        self.source, self.target = source, graph.outputs[0]
        self._plans: dict[Any, NetworkPlan] = {}

    @property
    def jacobians(self) -> tuple[Jacobian, ...]:
        """The Jacobians of the edges."""
        return tuple(edge.jacobian for edge in self.graph.edges if edge.jacobian is not None)

    @property
    def specs(self) -> tuple[Spec, ...]:
        """The specs of the edges."""
        return tuple(edge.spec for edge in self.graph.edges)

    @property
    def names(self) -> tuple[str, ...]:
        """The edges by the names of their ends."""
        names = [vertex.name for vertex in self.graph.vertices]
        return tuple(f"{names[edge.source]} → {names[edge.target]}" for edge in self.graph.edges)

    @property
    def shape(self) -> tuple[int, int]:
        """(outputs, inputs) of the derivative."""
        return self.graph.vertices[self.target].size, self.graph.vertices[self.source].size

    def plan(
        self,
        strategy: str | Sequence[Any] = "optimal",
        *,
        dead_units: bool = False,
        objective: str = "multiplications",
    ) -> NetworkPlan:
        """Return a plan made from specs alone.

        Parameters
        ----------
        strategy : {"optimal", "reverse", "forward", "markowitz"} or sequence of int
            What :meth:`jacobians.Graph.plan` takes; "left" is reverse and "right" forward.
        dead_units : bool
            Taken for the sake of chains; all units of a graph stay.
        objective : {"multiplications", "additions", "flops", "peak"}
            What the optimal order has least of.

        Raises
        ------
        TypeError, ValueError
            If the strategy or objective is unknown, or `dead_units` is neither True nor False.
        """
        checked_flag(dead_units, "dead_units")
        if isinstance(strategy, str):
            name = MODES.get(strategy, strategy)
            key = edition(), name, objective
            if key not in self._plans:
                self._plans[key] = NetworkPlan(self, self.graph.plan(name, objective=objective))
            return self._plans[key]
        return NetworkPlan(self, self.graph.plan(strategy, objective=objective))

    def __len__(self) -> int:
        return len(self.graph.edges)

    def picture(self) -> Picture:
        """Return the graph as SVG."""
        return self.graph.picture()

    def _repr_svg_(self) -> str:
        return self.picture().svg

    def _repr_html_(self) -> str:
        return f"{self.picture()._repr_html_()}{aligned(repr(self))}"

    def __repr__(self) -> str:
        names = [vertex.name for vertex in self.graph.vertices]
        return f"<NetworkGraph ∂{names[self.target]}/∂{names[self.source]} of {self.graph!r}>"


@dataclass(frozen=True, eq=False)
class NetworkExecution(ByValue):
    """What came out of a plan: the Jacobian, and the cost that was counted; equal to ``plan.cost``."""

    jacobian: Jacobian
    cost: Cost
    plan: NetworkPlan

    def _repr_html_(self) -> str:
        return (
            f"<p>counted: {self.cost}, as planned</p>{self.plan._repr_html_()}{self.jacobian._repr_html_()}"
        )


@dataclass(frozen=True, eq=False)
class NetworkPlan(ByValue):
    """An order in which the vertices of a network are eliminated; ``print(plan)`` shows one row a step.

    Attributes
    ----------
    chain : NetworkGraph
    of_graph : GraphPlan
    """

    chain: NetworkGraph
    of_graph: GraphPlan
    live_units = None
    dead_units = False

    @property
    def strategy(self) -> str:
        """The name of the order: "reverse", "forward", "markowitz", "optimal" or "given"."""
        return self.of_graph.strategy

    @property
    def cost(self) -> Cost:
        """Multiplications and additions of all steps, from specs alone."""
        return self.of_graph.cost

    @property
    def saved(self) -> Cost:
        """What dead units would cost more; none is left out."""
        return Cost()

    @property
    def steps(self) -> tuple[GraphStep, ...]:
        """The eliminations in their order."""
        return self.of_graph.steps

    @property
    def order(self) -> tuple[int, ...]:
        """The vertices in the order of their elimination."""
        return self.of_graph.order

    @property
    def bracketing(self) -> str:
        """The order by the names of the vertices."""
        names = [self.chain.graph.vertices[place].name for place in self.of_graph.order]
        return "eliminate " + ", ".join(names) if names else "nothing to eliminate"

    @property
    def peak_elements(self) -> int:
        """The largest number of stored numbers of one result."""
        return max(self.of_graph.peak_elements, self.spec.storage)

    @cached_property
    def spec(self) -> Spec:
        """What the derivative will be."""
        found = Elimination(self.chain.graph).results(self.of_graph.order)
        return found[self.chain.target, self.chain.source]

    def execute(self) -> NetworkExecution:
        """Form the derivative, with a ledger that counts what is really executed."""
        execution = self.of_graph.execute()
        jacobian = execution.jacobians[self.chain.target, self.chain.source]
        return NetworkExecution(jacobian, execution.cost, self)

    def speedup(self, other: str) -> float:
        """Return how many times the multiplications of this plan another strategy needs."""
        return ratio(self.chain.plan(other).cost.multiplications, self.cost.multiplications)

    def picture(self, *, down: bool = False) -> Picture:
        """Return the graph as SVG, with the order and the cost at each vertex; paths lead right, or down the page."""
        return self.of_graph.picture(down=down)

    def _repr_svg_(self) -> str:
        return self.picture().svg

    def _repr_html_(self) -> str:
        return self.of_graph._repr_html_()

    def __str__(self) -> str:
        return str(self.of_graph)

    def __repr__(self) -> str:
        return f"<NetworkPlan {self.strategy}: {len(self.steps)} eliminations, {self.cost}>"
