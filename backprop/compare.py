"""The strategies side by side: predicted cost, counted cost, measured time, largest intermediate."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from backprop.chain import Chain
from backprop.plan import STRATEGIES, Plan, Strategy, format_ratio
from backprop.tables import csv_table, html_table, markdown_table, text_table
from jacobians import Cost


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

    @property
    def cost(self) -> Cost:
        """The predicted cost."""
        return Cost(self.multiplications, self.additions)


_COLUMNS = ("strategy", "multiplications", "additions", "flops", "ratio", "largest intermediate", "result")
_MEASURED = ("counted multiplications", "counted additions", "time")


@dataclass(frozen=True)
class Comparison:
    """Several plans of one chain; ``print`` it, or write it by the ``to_…`` methods."""

    chain: Chain
    plans: tuple[Plan, ...]
    alternatives: tuple[Alternative, ...]

    def __getitem__(self, strategy: str) -> Alternative:
        for alternative in self.alternatives:
            if alternative.strategy == strategy:
                return alternative
        known = [alternative.strategy for alternative in self.alternatives]
        raise KeyError(f"strategy: found {strategy!r}, expected one of {known}")

    @property
    def best(self) -> Alternative:
        """The alternative with the lowest cost, the first of equals."""
        return min(self.alternatives, key=lambda alternative: alternative.cost)

    def _table(self) -> tuple[list[str], list[list[str]], tuple[int, ...]]:
        measured = any(alternative.seconds is not None for alternative in self.alternatives)
        header = list(_COLUMNS[:-1]) + (list(_MEASURED) if measured else []) + [_COLUMNS[-1], "bracketing"]
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
            if measured:
                row += [f"{item.counted_multiplications:,}", f"{item.counted_additions:,}"]
                row += [format_seconds(item.seconds)]
            rows.append([*row, item.result, shorten(item.bracketing)])
        return header, rows, tuple(range(1, 9 if measured else 6))

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data, exact integers included."""
        factors = [
            {"name": name, "structure": spec.structure, "shape": list(spec.shape), "label": spec.label}
            for name, spec in zip(self.chain.names, self.chain.specs, strict=True)
        ]
        return {
            "shape": list(self.chain.shape),
            "factors": factors,
            "alternatives": [asdict(alternative) for alternative in self.alternatives],
        }

    def to_markdown(self) -> str:
        """Return a Markdown table."""
        return markdown_table(*self._table())

    def to_csv(self) -> str:
        """Return a CSV table of exact numbers, a line a strategy."""
        fields = list(asdict(self.alternatives[0]))
        return csv_table(fields, [[asdict(item)[field] for field in fields] for item in self.alternatives])

    def to_html(self) -> str:
        """Return an HTML table."""
        return html_table(*self._table())

    _repr_html_ = to_html

    def __str__(self) -> str:
        return text_table(*self._table())


def compare(
    chain: Chain | Sequence[Any],
    strategies: Sequence[Strategy] = STRATEGIES,
    *,
    measure: bool = False,
    repeats: int = 5,
    dead_units: bool = True,
) -> Comparison:
    """Plan a chain by several strategies, side by side; on request run them, count and time.

    Parameters
    ----------
    chain : Chain or sequence
        What :class:`Chain` takes.
    strategies : sequence
        What :meth:`Chain.plan` takes.
    measure : bool
        Run every plan: counted cost, and the median time of `repeats` runs taken in turns.
    repeats : int
        At least 1.
    dead_units : bool
        Whether dead units leave the chain before it is planned, as in :meth:`Chain.plan`.

    Raises
    ------
    ValueError
        If there is no strategy, or a chain without numbers is to be measured.

    Examples
    --------
    >>> print(compare(Chain.from_shapes([(1, 100), (100, 100), (100, 100)])))
    strategy  multiplications  additions      flops  ratio  largest intermediate  result       bracketing
    ────────  ───────────────  ─────────  ─────────  ─────  ────────────────────  ───────────  ──────────
    left               20,000     19,800     39,800     1×                   100  Dense 1×100  (A·B)·C
    right           1,010,000    999,900  2,009,900  50.5×                10,000  Dense 1×100  A·(B·C)
    optimal            20,000     19,800     39,800     1×                   100  Dense 1×100  (A·B)·C
    """
    chain = chain if isinstance(chain, Chain) else Chain(chain)
    if not strategies:
        raise ValueError("strategies: found none, expected at least one, such as 'left'")
    if repeats < 1:
        raise ValueError(f"repeats: found {repeats}, expected at least 1")
    plans = tuple(chain.plan(strategy, dead_units=dead_units) for strategy in strategies)
    least = min(plan.cost.multiplications for plan in plans)
    costs, seconds = _measured(plans, repeats) if measure else ([None] * len(plans), [None] * len(plans))
    alternatives = tuple(
        Alternative(
            plan.strategy,
            plan.bracketing,
            plan.spec.label,
            plan.cost.multiplications,
            plan.cost.additions,
            _ratio(plan.cost.multiplications, least),
            plan.peak_elements,
            None if counted is None else counted.multiplications,
            None if counted is None else counted.additions,
            median,
        )
        for plan, counted, median in zip(plans, costs, seconds, strict=True)
    )
    return Comparison(chain, plans, alternatives)


def _ratio(own: int, least: int) -> float:
    if least == 0:
        return 1.0 if own == 0 else float("inf")
    return own / least


def _measured(plans: Sequence[Plan], repeats: int) -> tuple[list[Cost | None], list[float | None]]:
    counted: list[Cost | None] = [plan.execute().cost for plan in plans]
    times: list[list[float]] = [[] for _ in plans]
    for _ in range(repeats):
        # in turns, so that a disturbance of the machine meets all of them
        for plan, own in zip(plans, times, strict=True):
            start = time.perf_counter()
            plan.execute()
            own.append(time.perf_counter() - start)
    return counted, [statistics.median(own) for own in times]


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


def shorten(text: str, most: int = 60) -> str:
    """Return a text of at most `most` characters, its middle left out.

    Examples
    --------
    >>> shorten("abcdefghij", 5)
    'ab…ij'
    """
    if len(text) <= most:
        return text
    side = (most - 1) // 2
    return f"{text[:side]}…{text[-side:]}"
