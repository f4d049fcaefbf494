"""Plans on graphs: an elimination order with its steps, its exact cost, and what is known about better ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from time import monotonic
from typing import TYPE_CHECKING, Any

from jacobians.cost import Cost
from jacobians.equality import ByValue
from jacobians.markup import aligned
from jacobians.numerics.arguments import (
    checked_flag,
    checked_integer,
    checked_names,
    checked_option,
    real_number,
)
from jacobians.picture import Picture
from jacobians.planning.blocks import Block, Edge, Search, orders_by_blocks
from jacobians.planning.bounds import fewest_multiplications
from jacobians.planning.bracketing import cheapest
from jacobians.planning.checking import best_order
from jacobians.planning.elimination import Elimination
from jacobians.planning.execute import GraphExecution, execute_graph_plan
from jacobians.planning.objectives import TIE, Objective, objective_of
from jacobians.planning.path import best_tree
from jacobians.planning.picture import graph_svg
from jacobians.planning.scalars import engine, is_scalar
from jacobians.planning.search import Found, anneal, exhaustive, markowitz, prices
from jacobians.planning.source import source, source_arguments
from jacobians.planning.trees import fold
from jacobians.products.core import remembered
from jacobians.spec import Spec

if TYPE_CHECKING:
    from jacobians.graph.graph import Graph

STRATEGIES = ("optimal", "forward", "reverse", "markowitz")
_MOST_REMAINING = 20_000


@dataclass(frozen=True)
class GraphStep:
    """One elimination: the vertex, what it was between, and what it cost."""

    vertex: str
    cost: Cost
    peak_elements: int


@dataclass(frozen=True, eq=False)
class GraphPlan(ByValue):
    """An elimination order of a graph; ``print(plan)`` shows one row a step.

    Attributes
    ----------
    graph : Graph
    strategy : str
        "optimal", "forward", "reverse", "markowitz" or "given".
    objective : str
    structure : bool
        Whether the structures of the edges count.
    order : tuple of int
        The vertices in the order of their elimination.
    cost, merging : Cost
        Of all steps, parallel edges added up first; and of the latter alone.
    bound : int or None
        No order costs less in the objective; None where nothing is known but 0. Beside a search, see
        :func:`jacobians.planning.bounds.fewest_multiplications`.
    proven, stopped, checked : bool
        Whether no better order exists, whether `seconds` ended the search, and whether a second search agreed.
    peak_elements : int
        The largest number of stored numbers of one product or sum.
    """

    graph: Graph
    strategy: str
    objective: str
    structure: bool
    order: tuple[int, ...]
    cost: Cost
    merging: Cost
    bound: float | None
    proven: bool
    stopped: bool
    peak_elements: int
    checked: bool = False

    def __hash__(self) -> int:
        return hash((self.strategy, self.order, self.cost))

    @cached_property
    def steps(self) -> tuple[GraphStep, ...]:
        """The eliminations in their order."""
        found = prices(engine(self.graph, self.structure), self.order)
        return tuple(
            GraphStep(self.graph.vertices[vertex].name, Cost(*price[:2]), price.peak)
            for vertex, price in zip(self.order, found, strict=True)
        )

    def execute(self) -> GraphExecution:
        """Form the Jacobians: see :func:`jacobians.planning.execute.execute_graph_plan`."""
        return execute_graph_plan(self)

    def to_source(self, *, dense: bool = False) -> str:
        """Return the plan as one function `jacobians` in plain NumPy, of the arrays that the edges store.

        On graphs of scalars it is plain Python, of the numbers on the edges in one list: a row of numbers for each
        output. On others it returns the arrays that the structures of the results store, or with `dense` the dense
        Jacobians, one after the other, of each output by every input.

        Raises
        ------
        ValueError
            If the edges are scalars, and one is known to be ±1 without its sign.

        Examples
        --------
        >>> from jacobians import trace
        >>> plan = trace(lambda W, x: (W @ x) ** 2, [[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0]).plan()
        >>> module = {}
        >>> exec(plan.to_source(dense=True), module)
        >>> by_W, by_x = module["jacobians"](**plan.source_arguments())
        >>> by_x
        array([[ 6., 12.],
               [42., 56.]])
        """
        return source(self, checked_flag(dense, "dense"))

    def source_arguments(self, *, dense: bool = False) -> dict[str, Any]:
        """Return the arguments of :meth:`to_source`'s function by name, with the numbers of the graph.

        Raises
        ------
        ValueError
            If an edge has no numbers.
        """
        return source_arguments(self, checked_flag(dense, "dense"))

    def picture(self, *, down: bool = False) -> Picture:
        """Return the graph as SVG, with the place in the order and the cost at each vertex that is eliminated.

        Paths lead to the right, or `down` the page.
        """
        steps = enumerate(zip(self.order, self.steps, strict=True), 1)
        notes = {
            vertex: (number, f"{step.cost.multiplications:,} + {step.cost.additions:,}")
            for number, (vertex, step) in steps
        }
        return Picture(graph_svg(self.graph, notes, down=checked_flag(down, "down")))

    def _repr_svg_(self) -> str:
        return self.picture().svg

    def _repr_html_(self) -> str:
        return f"{self.picture()._repr_html_()}{aligned(self)}"

    def __str__(self) -> str:
        known = (
            f"proven the best{', twice' if self.checked else ''}"
            if self.proven
            else "the best found"
            if self.strategy == "optimal"
            else "as asked"
        )
        lines = [
            f"Plan ({self.strategy}) on {self.graph!r}",
            f"  objective              {self.objective}, {known}{', stopped by seconds' if self.stopped else ''}",
            f"  no order is below      {'not known' if self.bound is None else f'{self.bound:,}'}",
            f"  multiplications        {self.cost.multiplications:,}",
            f"  additions              {self.cost.additions:,}",
            f"  largest intermediate   {self.peak_elements:,} stored numbers",
        ]
        width = max((len(step.vertex) for step in self.steps), default=0)
        lines += [
            f"{number:>5}  eliminate {step.vertex:<{width}}  {step.cost}"
            for number, step in enumerate(self.steps, 1)
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<GraphPlan {self.strategy}: {len(self.order)} eliminations, {self.cost}>"


def make_graph_plan(
    graph: Graph,
    strategy: str | Sequence[int] = "optimal",
    *,
    objective: str | Mapping[str, float] = "multiplications",
    structure: bool = True,
    max_elements: int | None = None,
    evaluations: int = 60_000,
    seconds: float | None = None,
    seed: int = 0,
    check: bool = False,
) -> GraphPlan:
    """Return a plan of a graph, from specs alone.

    Parameters
    ----------
    graph : Graph
    strategy : {"optimal", "forward", "reverse", "markowitz"} or sequence of int
        The order of the vertices, its reverse, the one with the fewest multiplications next, or the cheapest: proven
        for paths and small graphs, the best found by a seeded search otherwise. Or an order of one's own.
    objective : {"multiplications", "additions", "flops", "peak"} or mapping
        Or weights of multiplications, additions and peak, the largest intermediate. Ties by additions; for "peak" by
        multiplications.
    structure : bool
        False counts every edge as dense, as the literature does for scalars.
    max_elements : int, optional
        Only plans whose products and sums each store at most this many numbers.
    evaluations : int
        How many orders the search looks at, fewer in long graphs: the same plan on every machine.
    seconds : float, optional
        When the search stops all the same.
    seed : int
    check : bool
        Whether a second algorithm, branch and bound over all orders, has to find the same best value; only for
        "optimal" on graphs that are small enough to be proven.

    Raises
    ------
    ValueError
        If the strategy or objective is unknown, the order is none of the inner vertices, no plan fits, or a plan that
        isn't proven is to be checked.
    RuntimeError
        If the check finds another value: an error of this library.

    Examples
    --------
    >>> from jacobians.graph import Graph
    >>> graph = Graph.from_edges(1, 4, [3], [(0, 1, 0), (1, 2, 0), (2, 3, 0), (1, 3, 1)])
    >>> make_graph_plan(graph)
    <GraphPlan optimal: 2 eliminations, 2 multiplications, 1 additions>
    """
    structure, seed = checked_flag(structure, "structure"), checked_integer(seed, "seed", least=0, most=None)
    machine = engine(graph, structure)
    checked_flag(check, "check")
    limit = None if max_elements is None else checked_integer(max_elements, "max_elements", most=None)
    evaluations = checked_integer(evaluations, "evaluations")
    seconds = None if seconds is None else real_number(seconds, "seconds", least=0)
    aim = objective_of(objective, limit)
    found: Found | None = None
    name = strategy if isinstance(strategy, str) else "given"
    if not isinstance(strategy, str):
        vertices = checked_names(strategy, "strategy", f"one of {', '.join(STRATEGIES)}, or an order")
        order = tuple(checked_integer(vertex, f"strategy[{k}]", least=0) for k, vertex in enumerate(vertices))
        if sorted(order) != machine.inner:
            raise ValueError(
                f"strategy: found an order of {len(order)} vertices, expected each of {machine.inner} once"
            )
    elif checked_option(strategy, "strategy", STRATEGIES, more=", or an order") == "forward":
        order = tuple(machine.inner)
    elif strategy == "reverse":
        order = tuple(reversed(machine.inner))
    elif strategy == "markowitz":
        order = markowitz(machine)
    else:
        found = _path(graph, machine, aim, structure)
        found = found or exhaustive(machine, aim, _MOST_REMAINING if len(machine.inner) <= 16 else 0)
        if found is None:
            found = _searched(machine, aim, evaluations, seconds, seed)
        order = found.order
    steps = prices(machine, order)
    largest = max([price.peak for price in steps] + [machine.merging.peak])
    if limit is not None and largest > limit:
        raise ValueError(
            f"max_elements: found {limit}, but the plan forms {largest} numbers at once; allow more"
        )
    merging = Cost(*machine.merging[:2])
    cost = sum((Cost(*price[:2]) for price in steps), merging)
    proven = found is not None and found.proven
    bound = None
    if proven:
        bound = aim.value(cost.multiplications, cost.additions, largest)
    elif found is not None and aim.multiplications:
        least = fewest_multiplications(graph, structure)
        bound = None if least is None else aim.multiplications * (least + merging.multiplications)
    if check:
        _check(
            graph,
            aim,
            structure,
            aim.total([aim.judge(price) for price in [machine.merging, *steps]]),
            proven,
        )
    stopped = found is not None and found.stopped
    return GraphPlan(
        graph, name, aim.name, structure, order, cost, merging, bound, proven, stopped, largest, check
    )


def _searched(machine: Any, aim: Objective, evaluations: int, seconds: float | None, seed: int) -> Found:
    """Return the best order that annealing finds, from the fixed ones and from those found block by block."""
    score, total = aim.scoring()
    end = None if seconds is None else monotonic() + seconds

    def best(of: Any, starts: list[tuple[int, ...]], evaluations: int) -> Found:
        left = None if end is None else max(0.0, end - monotonic())
        return anneal(
            of, starts, score, total, scale=TIE, evaluations=evaluations, seconds=left, seed=seed
        )  # fmt: skip

    def of_blocks(count: int) -> Search:
        return lambda block: best(block, _fixed(block), max(100, evaluations // count)).order

    blocks = orders_by_blocks(machine, of_blocks) if isinstance(machine, Elimination) else []
    return best(machine, [*_fixed(machine), *blocks], evaluations)


def _fixed(machine: Any) -> list[tuple[int, ...]]:
    return [tuple(machine.inner), tuple(reversed(machine.inner)), markowitz(machine)]


def quick_plan(graph: Graph) -> GraphPlan:
    """Return the cheapest of the plans that take no search: reverse, forward and Markowitz.

    Graphs of the same structure, which a function has at its points, are planned once.
    """
    edges = tuple(Edge(edge.source, edge.target, edge.spec) for edge in graph.edges)
    sizes = tuple(vertex.size for vertex in graph.vertices)
    return replace(_quick(Block(sizes, graph.inputs, graph.outputs, edges)), graph=graph)


@partial(remembered, most=256)
def _quick(bare: Any) -> GraphPlan:
    plans = [make_graph_plan(bare, strategy) for strategy in ("reverse", "forward", "markowitz")]
    return min(plans, key=lambda plan: plan.cost)


def _check(graph: Graph, aim: Objective, structure: bool, value: float, proven: bool) -> None:
    if not proven:
        raise ValueError(
            "check: found a plan that isn't proven, expected 'optimal' on a graph that is small enough"
        )
    again = best_order(graph, aim, structure)
    if again.value != value:
        raise RuntimeError(
            f"check: the order {again.order} is worth {again.value / TIE:,.6g}, "
            f"the plan's {value / TIE:,.6g}; report it"
        )


def _path(graph: Graph, machine: Any, aim: Objective, structure: bool) -> Found | None:
    """Return the order of the best bracketing, where the graph is a path."""
    inner = machine.inner
    pairs = sorted((edge.source, edge.target) for edge in graph.edges)
    line = [*graph.inputs, *inner, *graph.outputs]
    if not inner or len(graph.inputs) != 1 or len(graph.outputs) != 1 or pairs != list(pairwise(line)):
        return None
    specs = [edge.spec for edge in sorted(graph.edges, key=lambda edge: -edge.source)]
    if not structure:
        specs = [Spec.dense(*spec.shape) for spec in specs]
    plain = aim.name == "multiplications" and aim.limit is None
    tree = cheapest(specs).tree if plain else best_tree(specs, aim, int(is_scalar(graph)))
    if tree is None:
        return None
    order: list[int] = []

    def join(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
        order.append(line[len(specs) - right[0]])
        return left[0], right[1]

    fold(tree, lambda factor: (factor, factor), join)
    return Found(tuple(order), 0, True, False)
