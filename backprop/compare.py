"""The strategies side by side: predicted cost, counted cost, measured time, largest intermediate."""

from __future__ import annotations

import html
import inspect
import statistics
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

import numpy as np

from backprop.chain import Chain
from backprop.execute import Execution
from backprop.network_graph import NetworkExecution, NetworkGraph, NetworkPlan
from backprop.numpy_code import network_of
from backprop.plan import MODES, ORDERS, STRATEGIES, Plan
from backprop.ratios import format_ratio, ratio
from backprop.tables import WIDTH, csv_table, latex_table, markdown_table, text_table
from jacobians import Cost, Function
from jacobians.equality import ByValue
from jacobians.markup import html_table
from jacobians.numerics.arguments import checked_flag, checked_integer, checked_names, shown
from jacobians.numerics.float_errors import without_float_errors
from jacobians.numerics.libraries import NUMPY


@dataclass(frozen=True)
class Alternative:
    """One strategy of a comparison.

    Attributes
    ----------
    strategy, bracketing, result : str
    multiplications, additions : int
        Predicted from specs.
    ratio : float
        Multiplications divided by the fewest of all.
    peak_elements : int
        Stored numbers of the largest intermediate.
    counted_multiplications, counted_additions : int or None
        Counted while running; None if the chain was not run.
    seconds : float or None
        The median time of a run; machines are noisy, so compare within one table only.
    dead_units : {"kept", "left out"}
        Whether units that exact zeros of a diagonal switch off were counted.
    whole_multiplications, whole_additions : int or None
        Where they were left out: what the same strategy costs for the whole chain.
    """

    strategy: str
    bracketing: str
    result: str
    multiplications: int
    additions: int
    ratio: float
    peak_elements: int
    counted_multiplications: int | None = None
    counted_additions: int | None = None
    seconds: float | None = None
    dead_units: Literal["kept", "left out"] = "kept"
    whole_multiplications: int | None = None
    whole_additions: int | None = None

    @property
    def cost(self) -> Cost:
        """The predicted cost."""
        return Cost(self.multiplications, self.additions)


_COLUMNS = ("strategy", "multiplications", "additions", "flops", "ratio", "largest intermediate", "result")
_WHOLE = ("multiplications, whole chain", "additions, whole chain")
_MEASURED = ("counted multiplications", "counted additions", "time")


@dataclass(frozen=True, eq=False)
class Comparison(ByValue):
    """Several plans of one chain; ``print`` it, or write it by the ``to_…`` methods.

    Every form says whether dead units were left out; ``note`` holds what else a reader must know: orders whose
    results differ because numbers in them are not finite.
    """

    chain: Chain | NetworkGraph
    plans: tuple[Plan | NetworkPlan, ...]
    alternatives: tuple[Alternative, ...]
    note: str = ""
    objective: str = "multiplications"

    @property
    def dead_units(self) -> bool:
        """Whether dead units were left out of the chain."""
        return any(plan.dead_units for plan in self.plans)

    @property
    def caption(self) -> str:
        """What is counted, where there is a choice, and the note; '' if there is nothing to say."""
        live, sentence = self.chain.live_units, ""
        if self.dead_units:
            units = "none was found" if live is None else f"{live.dropped:,} of {live.units:,} units"
            sentence = f"Dead units are left out ({units}); the columns of the whole chain count them."
        elif live is not None:
            sentence = (
                f"Costs of the whole chain; {live.dropped:,} of {live.units:,} units are dead at this point, and "
                f"dead_units=True leaves them out."
            )
        aim = (
            ""
            if self.objective == "multiplications"
            else f"Optimal is the order with the least {self.objective}."
        )
        return " ".join(part for part in (aim, sentence, self.note) if part)

    def __getitem__(self, strategy: str) -> Alternative:
        # a chain's left is reverse mode
        same = {strategy, MODES.get(strategy), ORDERS.get(strategy)} if isinstance(strategy, str) else set()
        for alternative in self.alternatives:
            if alternative.strategy in same:
                return alternative
        known = [alternative.strategy for alternative in self.alternatives]
        raise KeyError(f"strategy: found {shown(strategy)}, expected one of {known}")

    @property
    def best(self) -> Alternative:
        """The alternative with the lowest cost, the first of equals."""
        return min(self.alternatives, key=lambda alternative: alternative.cost)

    def _table(self) -> tuple[list[str], list[list[str]], tuple[int, ...]]:
        measured = any(alternative.seconds is not None for alternative in self.alternatives)
        header = [*_COLUMNS[:-1], *(_WHOLE if self.dead_units else ()), *(_MEASURED if measured else ())]
        header += [_COLUMNS[-1], "bracketing"]
        rows = []
        for item in self.alternatives:
            row = [
                item.strategy,
                f"{item.multiplications:,}",
                f"{item.additions:,}",
                f"{item.cost.flops:,}",
                format_ratio(item.ratio),
                f"{item.peak_elements:,}",
            ]
            if self.dead_units:
                row += [f"{item.whole_multiplications:,}", f"{item.whole_additions:,}"]
            if measured:
                row += [f"{item.counted_multiplications:,}", f"{item.counted_additions:,}"]
                row += [format_seconds(item.seconds)]
            rows.append([*row, item.result, item.bracketing])
        return header, rows, tuple(range(1, len(header) - 2))

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data, exact integers included."""
        factors = [
            {"name": name, "structure": spec.structure, "shape": list(spec.shape), "label": spec.label}
            for name, spec in zip(self.chain.names, self.chain.specs, strict=True)
        ]
        return {
            "shape": list(self.chain.shape),
            "factors": factors,
            "dead_units": {
                "left_out": self.dead_units,
                "dead": 0 if self.chain.live_units is None else self.chain.live_units.dropped,
                "units": None if self.chain.live_units is None else self.chain.live_units.units,
            },
            "note": self.note,
            "objective": self.objective,
            "alternatives": [asdict(alternative) for alternative in self.alternatives],
        }

    def to_markdown(self) -> str:
        """Return a Markdown table."""
        return "\n\n".join(part for part in (markdown_table(*self._table()), self.caption) if part)

    def to_latex(self) -> str:
        """Return a table of LaTeX with the rules of the package booktabs, in a float where there is a caption."""
        return latex_table(*self._table(), caption=self.caption)

    def to_csv(self) -> str:
        """Return a CSV table of exact numbers, a line a strategy."""
        fields = list(asdict(self.alternatives[0]))
        return csv_table(fields, [[asdict(item)[field] for field in fields] for item in self.alternatives])

    def to_html(self) -> str:
        """Return an HTML table."""
        caption = f"<p>{html.escape(self.caption)}</p>" if self.caption else ""
        return html_table(*self._table()) + caption

    _repr_html_ = to_html

    def __str__(self) -> str:
        caption = textwrap.fill(self.caption, WIDTH)
        return "\n\n".join(part for part in (text_table(*self._table()), caption) if part)


@without_float_errors
def compare(
    chain: Chain | NetworkGraph | Sequence[Any] | Function | Callable[..., Any],
    *arguments: Any,
    strategies: Sequence[Any] = STRATEGIES,
    by: str = "input",
    measure: bool = False,
    repeats: int = 5,
    dead_units: bool = False,
    objective: str = "multiplications",
) -> Comparison:
    """Plan a chain by several strategies, side by side; on request run them, count and time.

    Parameters
    ----------
    chain : Chain, NetworkGraph, sequence, Function or callable
        What :class:`Chain` takes, or what :meth:`Chain.from_network` gives; or a network or plain NumPy code, with its
        arguments behind it: ``compare(f, x, W)``.
    strategies : sequence
        What :meth:`Chain.plan` takes. Where paths meet "left" is "reverse", and "right" is "forward". Of a chain they
        may stand in the second place.
    by : str
        Of a network "input" or a parameter; of plain code "input", its first argument, or the name of another.
    measure : bool
        Run every plan: counted cost, and the median time of `repeats` runs taken in turns.
    repeats : int
        At least 1.
    dead_units : bool
        Whether dead units leave the chain before it is planned, as in :meth:`Chain.plan`; what the whole chain costs
        then stands beside it. By default the whole chain is counted.
    objective : {"multiplications", "additions", "flops", "peak"}
        What the optimal order has least of; the caption names another than multiplications.

    Raises
    ------
    TypeError, ValueError
        If there is no strategy, an argument is not what it should be, or a chain without numbers is to be measured.

    Examples
    --------
    >>> print(compare(Chain.from_shapes([(1, 100), (100, 100), (100, 100)])))
    strategy  multiplications  additions      flops  ratio  largest intermediate
    ────────  ───────────────  ─────────  ─────────  ─────  ────────────────────
    left               20,000     19,800     39,800     1×                   100
    right           1,010,000    999,900  2,009,900  50.5×                10,000
    optimal            20,000     19,800     39,800     1×                   100
    <BLANKLINE>
    strategy  result       bracketing
    ────────  ───────────  ──────────
    left      Dense 1×100  (A·B)·C
    right     Dense 1×100  A·(B·C)
    optimal   Dense 1×100  (A·B)·C
    """
    if arguments and (isinstance(chain, Function) or inspect.isroutine(chain)):
        network, x = network_of(chain, arguments) if inspect.isroutine(chain) else (chain, arguments[0])
        if len(arguments) > 1 and isinstance(chain, Function):
            raise TypeError(f"arguments: found {len(arguments)}, expected the point of the network alone")
        chain = Chain.from_network(network, x, by=by)
    else:
        if len(arguments) > 1:
            raise TypeError(
                f"arguments: found {len(arguments)}, expected the strategies alone behind a chain"
            )
        strategies = arguments[0] if arguments else strategies
        chain = chain if isinstance(chain, Chain | NetworkGraph) else Chain(cast(Any, chain))
    strategies = checked_names(strategies, "strategies", "a list of strategies, such as ['left', 'right']")
    if not strategies:
        raise ValueError("strategies: found none, expected at least one, such as 'left'")
    measure, repeats = checked_flag(measure, "measure"), checked_integer(repeats, "repeats")
    plans = tuple(chain.plan(strategy, dead_units=dead_units, objective=objective) for strategy in strategies)
    least = min(plan.cost.multiplications for plan in plans)
    costs: list[Cost | None] = [None] * len(plans)
    seconds: list[float | None] = [None] * len(plans)
    note = ""
    if measure:
        costs, seconds, note = _measured(plans, repeats)
    wholes = [plan.cost if not plan.dead_units else _whole(plan) for plan in plans]
    alternatives = tuple(
        Alternative(
            plan.strategy,
            plan.bracketing,
            plan.spec.label,
            plan.cost.multiplications,
            plan.cost.additions,
            ratio(plan.cost.multiplications, least),
            plan.peak_elements,
            None if counted is None else counted.multiplications,
            None if counted is None else counted.additions,
            median,
            "left out" if plan.dead_units else "kept",
            whole.multiplications if plan.dead_units else None,
            whole.additions if plan.dead_units else None,
        )
        for plan, counted, median, whole in zip(plans, costs, seconds, wholes, strict=True)
    )
    return Comparison(chain, plans, alternatives, note, objective)


def _whole(plan: Plan | NetworkPlan) -> Cost:
    return plan.cost + plan.saved


def _disagree(executions: Sequence[Execution | NetworkExecution]) -> bool:
    """Return whether some results are finite where others aren't, as 0·(∞·x) and (0·∞)·x."""
    results = [execution.jacobian for execution in executions]
    if any(result.home is not NUMPY for result in results):
        return False
    first, *others = (np.isfinite(result.rmatvec(np.ones(result.shape[0]))) for result in results)
    return any(not np.array_equal(first, other) for other in others)


def _measured(
    plans: Sequence[Plan | NetworkPlan], repeats: int
) -> tuple[list[Cost | None], list[float | None], str]:
    executions = [plan.execute() for plan in plans]
    counted: list[Cost | None] = [execution.cost for execution in executions]
    note = (
        "The orders disagree: results of some are not finite where others are."
        if _disagree(executions)
        else ""
    )
    times: list[list[float]] = [[] for _ in plans]
    for _ in range(repeats):
        # in turns, so that a disturbance of the machine meets all of them
        for plan, own in zip(plans, times, strict=True):
            start = time.perf_counter()
            plan.execute()
            own.append(time.perf_counter() - start)
    return counted, [statistics.median(own) for own in times], note


def format_seconds(seconds: float | None) -> str:
    """Return a time with three significant digits.

    Examples
    --------
    >>> format_seconds(0.00123), format_seconds(2.0), format_seconds(None)
    ('1.23 ms', '2 s', '–')
    """
    if seconds is None:
        return "–"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"
