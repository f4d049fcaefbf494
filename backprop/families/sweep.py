"""`backprop.sweep`: the costs of every network of a family."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import product
from pathlib import Path
from typing import Any

from backprop.families.page import sweep_page
from backprop.families.pictures import grid_svg, lines_svg
from backprop.families.shapes import FAMILIES, NONE, NetworkShape
from backprop.families.table import (
    AXES,
    COLUMNS,
    SHORT,
    TEXTS,
    Crossover,
    Row,
    cheapest_of,
    counted,
    crossovers,
    shown_value,
)
from backprop.ratios import ratio
from backprop.tables import csv_table, latex_table, markdown_table, text_table
from jacobians.equality import ByValue
from jacobians.layers.activations import ACTIVATIONS
from jacobians.markup import html_table
from jacobians.names import printable
from jacobians.numerics.arguments import (
    checked_callable,
    checked_flag,
    checked_integer,
    checked_list,
    checked_names,
    checked_option,
    checked_path,
    shown,
)
from jacobians.picture import Picture
from jacobians.planning.trees import Tree
from jacobians.products.expansion import expansion_cost
from verification.optional_packages import require_extras

MOST_NETWORKS = 10**6
MOST_AT_ONCE = 64
"""Networks that a worker of a cluster counts in one task."""

Asked = tuple[str, int, int, NetworkShape, str]
"""Family, width, depth, sizes, and what the chain is by."""


@dataclass(frozen=True, eq=False)
class Sweep(ByValue):
    """The costs of a family of networks; ``print`` it, or write it by the ``to_…`` methods.

    Attributes
    ----------
    rows : tuple of dict
        One a network, with the fields of :data:`backprop.families.table.COLUMNS`.
    """

    rows: tuple[Row, ...]

    def __len__(self) -> int:
        return len(self.rows)

    def crossovers(self, axis: str = "width") -> tuple[Crossover, ...]:
        """Return where the cheapest strategy changes along an axis: a line for each value of the others.

        Raises
        ------
        ValueError
            If the axis is none of "width", "depth", "batch".
        """
        return tuple(crossovers(self.rows, checked_option(axis, "axis", AXES)))

    def _table(self, fields: Sequence[str] = SHORT) -> tuple[list[str], list[list[str]], tuple[int, ...]]:
        header = [COLUMNS[field] for field in fields]
        cells = [[shown_value(field, row[field]) for field in fields] for row in self.rows]
        return header, cells, tuple(k for k, field in enumerate(fields) if field not in TEXTS)

    def to_csv(self) -> str:
        """Return all columns as CSV, exact integers."""
        return csv_table([*COLUMNS], [[row[field] for field in COLUMNS] for row in self.rows])

    def to_markdown(self, *, every: bool = False) -> str:
        """Return the main columns, or every one, as a Markdown table, and the crossovers."""
        return "\n\n".join([markdown_table(*self._table(_columns(every))), self._lines("- ")])

    def to_latex(self, *, every: bool = False) -> str:
        """Return the main columns, or every one, as a table of LaTeX with the rules of booktabs."""
        return latex_table(*self._table(_columns(every)))

    def to_parquet(self, path: str | os.PathLike[str]) -> Path:
        """Write all columns as a Parquet file; counts beyond 64 bits are refused by pyarrow.

        Raises
        ------
        ImportError
            If pyarrow is missing: it comes with the extra ``sweep``.
        """
        require_extras("sweep", "pyarrow")
        import pyarrow
        import pyarrow.parquet

        target = checked_path(path, "path")
        if target.is_dir() or not target.parent.is_dir():
            raise ValueError(f"path: found {str(target)!r}, expected a file in a directory that is there")
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(self.rows)), target)
        return target

    def to_html(self) -> str:
        """Return a page that needs no other file: pictures, crossovers, and the table, sortable by a click."""
        return sweep_page(self.rows, [str(line) for axis in AXES for line in self.crossovers(axis)])

    def picture(self, kind: str = "grid") -> Picture:
        """Return the picture of which strategy is the cheapest by width and depth, or of the costs by width.

        Raises
        ------
        ValueError
            If `kind` is neither "grid" nor "lines".
        """
        draw = grid_svg if checked_option(kind, "kind", ("grid", "lines")) == "grid" else lines_svg
        return Picture(draw(self.rows))

    def _lines(self, mark: str = "") -> str:
        found = [str(line) for axis in AXES for line in self.crossovers(axis)]
        return (
            "\n".join(f"{mark}{line}" for line in found)
            or f"{mark}the cheapest strategy is the same everywhere"
        )

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{escape(line)}</li>" for line in self._lines().splitlines())
        return f"<figure>{self.picture().inline}</figure><ul>{lines}</ul>{html_table(*self._table())}"

    def __str__(self) -> str:
        return f"{text_table(*self._table(), width=120)}\n\n{self._lines()}"

    def __repr__(self) -> str:
        return f"<Sweep of {counted(self.rows)}>"


def _columns(every: bool) -> Sequence[str]:
    return tuple(COLUMNS) if checked_flag(every, "every") else SHORT


def sweep(
    family: str | Callable[..., Iterable[int]] = "mlp",
    *,
    widths: Iterable[int] = (8, 16, 32, 64),
    depths: Iterable[int] = (2, 3, 4),
    batches: Iterable[int] = (1,),
    activations: Iterable[str] = ("tanh",),
    inputs: int | None = None,
    outputs: int | None = None,
    by: str | Iterable[str] = "input",
    loss: bool = False,
    jobs: int = 1,
    scheduler: str | None = None,
) -> Sweep:
    """Return what left, right and optimal cost for every network of a family, from shapes alone.

    Parameters
    ----------
    family : str or callable
        "mlp" (one width), "bottleneck" (an eighth of it in the middle), "funnel" (narrows to the outputs), "fan"
        (widens from the inputs), or a function of width and depth that returns the sizes, inputs first.
    widths, depths, batches : iterable of int
        Units of a layer, affine layers, points at once.
    activations : iterable of str
        Names out of :data:`jacobians.layers.activations.ACTIVATIONS`, or "none" for layers without one between them.
    inputs, outputs : int, optional
        The width by default. They belong to the families that have a name.
    by : str or iterable of str
        "input" or a parameter such as "0.W"; several make a row each.
    loss : bool
        Whether a scalar loss stands behind the outputs.
    jobs : int
        Processes, by joblib of the extra ``sweep``.
    scheduler : str, optional
        The address of a Dask scheduler such as ``tcp://10.0.0.1:8786``, whose workers count (the extra ``cluster``).

    Raises
    ------
    TypeError, ValueError
        If an argument is refused; the sentence names the network where a size doesn't fit.
    ImportError
        If joblib or distributed is asked for and missing.

    Examples
    --------
    >>> found = sweep("mlp", widths=[4, 8, 16], depths=[3], inputs=16, outputs=8)
    >>> [row["optimal_multiplications"] for row in found.rows]
    [672, 1664, 4352]
    >>> print(found.crossovers()[0])
    depth 3, batch 1, tanh, input: another order up to width 4, left from 8
    """
    axes = [
        _sizes(values, name)
        for values, name in ((widths, "widths"), (depths, "depths"), (batches, "batches"))
    ]
    names = [
        checked_option(name, "activations", (*ACTIVATIONS, NONE))
        for name in checked_names(activations, "activations", "a list of names such as ['tanh']")
    ]
    targets = [by] if isinstance(by, str) else checked_names(by, "by", 'a list such as ["input", "0.W"]')
    if not names or not targets:
        raise ValueError(f"{'by' if names else 'activations'}: found none, expected at least one")
    sizes_of = _family(family, inputs, outputs)
    title = printable(family if isinstance(family, str) else getattr(family, "__name__", "family"))
    jobs, loss = checked_integer(jobs, "jobs"), checked_flag(loss, "loss")
    count = len(names) * len(targets) * len(axes[0]) * len(axes[1]) * len(axes[2])
    if count > MOST_NETWORKS:
        raise ValueError(
            f"widths × depths × batches: found {count:,} networks, expected at most {MOST_NETWORKS:,}"
        )
    asked = [
        (title, width, depth, NetworkShape(_own_sizes(sizes_of, width, depth), name, batch, loss), target)
        for name, target, depth, batch, width in product(names, targets, axes[1], axes[2], axes[0])
    ]
    if scheduler is not None:
        if jobs > 1:
            raise ValueError(f"jobs, scheduler: found {jobs} and {shown(scheduler)}, expected one of them")
        return Sweep(tuple(_by_dask(asked, scheduler)))
    if jobs == 1:
        return Sweep(tuple(_row(*each) for each in asked))
    require_extras("sweep", "joblib")
    from joblib import Parallel, delayed

    return Sweep(tuple(Parallel(n_jobs=jobs)(delayed(_row)(*each) for each in asked)))


def _by_dask(asked: list[Asked], scheduler: Any) -> list[Row]:
    """Return the rows, counted on a cluster some dozens at a time."""
    from verification.grading.cluster import connected

    if not isinstance(scheduler, str) or not scheduler:
        raise TypeError(
            f"scheduler: found {shown(scheduler)}, expected an address such as 'tcp://10.0.0.1:8786'"
        )
    with connected(scheduler) as client:
        parts = [asked[place : place + MOST_AT_ONCE] for place in range(0, len(asked), MOST_AT_ONCE)]
        return [row for rows in client.gather(client.map(_rows, parts, pure=False)) for row in rows]


def _rows(asked: list[Asked]) -> list[Row]:
    return [_row(*each) for each in asked]


def _sizes(values: Any, name: str) -> list[int]:
    listed = checked_list(values, name, "a list of integers such as [8, 16, 32]")
    found = [checked_integer(value, f"{name}[{place}]") for place, value in enumerate(listed)]
    if not found:
        raise ValueError(f"{name}: found none, expected at least one, such as 8")
    return sorted(set(found))


def _family(family: Any, inputs: int | None, outputs: int | None) -> Callable[[int, int], Any]:
    if callable(family):
        if inputs is not None or outputs is not None:
            raise ValueError(
                "inputs, outputs: found one with a function as the family, expected none; it returns all sizes itself"
            )
        return checked_callable(family, "family", "a function of width and depth", 2)
    sizes = FAMILIES[checked_option(family, "family", FAMILIES, more=", or a function of width and depth")]
    first = None if inputs is None else checked_integer(inputs, "inputs")
    last = None if outputs is None else checked_integer(outputs, "outputs")
    return lambda width, depth: sizes(width, depth, first or width, last or width)


def _own_sizes(sizes_of: Callable[[int, int], Any], width: int, depth: int) -> tuple[int, ...]:
    sizes = sizes_of(width, depth)
    if isinstance(sizes, str) or not isinstance(sizes, Iterable):
        raise TypeError(
            f"family: found {shown(sizes)} of width {width} and depth {depth}, expected sizes such as (64, 32, 10)"
        )
    return tuple(sizes)


def _row(family: str, width: int, depth: int, shape: NetworkShape, by: str) -> Row:
    chain = shape.chain(by)
    left, right, optimal = (chain.plan(strategy) for strategy in ("left", "right", "optimal"))
    dense = expansion_cost(optimal.spec)
    left_half = optimal.tree[0] if isinstance(optimal.tree, tuple) else None
    costs = [plan.cost.multiplications for plan in (left, right, optimal)]
    return {
        "family": family, "width": width, "depth": depth, "batch": shape.batch, "activation": shape.activation,
        "by": by, "sizes": "-".join(map(str, shape.sizes)), "parameters": shape.parameters,
        "forward_multiplications": shape.forward.multiplications, "forward_additions": shape.forward.additions,
        "activation_elements": shape.activation_elements,
        "left_multiplications": costs[0], "left_additions": left.cost.additions,
        "right_multiplications": costs[1], "right_additions": right.cost.additions,
        "optimal_multiplications": costs[2], "optimal_additions": optimal.cost.additions,
        "left_ratio": ratio(costs[0], costs[2]), "right_ratio": ratio(costs[1], costs[2]),
        "cheapest": cheapest_of(*costs),
        "dense_multiplications": dense.multiplications, "dense_additions": dense.additions,
        "left_peak": left.peak_elements, "right_peak": right.peak_elements, "optimal_peak": optimal.peak_elements,
        "meeting": 0 if left_half is None else chain.specs[_leaves(left_half)].shape[0],
        "bracketing": optimal.bracketing,
    }  # fmt: skip


def _leaves(tree: Tree) -> int:
    return sum(map(_leaves, tree)) if isinstance(tree, tuple) else 1
