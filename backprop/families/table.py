"""The table of a sweep in the forms that people ask for, and where the strategies change places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

AXES = ("width", "depth", "batch")

COLUMNS: dict[str, str] = {
    "family": "family", "width": "width", "depth": "depth", "batch": "batch", "activation": "activation", "by": "by",
    "sizes": "sizes", "parameters": "parameters",
    "forward_multiplications": "forward ×", "forward_additions": "forward +",
    "activation_elements": "activations kept",
    "left_multiplications": "left ×", "left_additions": "left +",
    "right_multiplications": "right ×", "right_additions": "right +",
    "optimal_multiplications": "optimal ×", "optimal_additions": "optimal +",
    "left_ratio": "left / optimal", "right_ratio": "right / optimal", "cheapest": "cheapest",
    "dense_multiplications": "to form it dense ×", "dense_additions": "to form it dense +",
    "left_peak": "left, largest intermediate", "right_peak": "right, largest intermediate",
    "optimal_peak": "optimal, largest intermediate", "meeting": "optimal, halves meet at",
    "bracketing": "bracketing",
}  # fmt: skip
"""The fields of a row, and their titles; × are multiplications, + additions."""

SHORT = (
    "width", "depth", "batch", "activation", "parameters", "forward_multiplications",
    "left_multiplications", "right_multiplications", "optimal_multiplications", "cheapest",
)  # fmt: skip
"""The columns of tables for a page; CSV and Parquet hold all."""

TEXTS = frozenset({"family", "activation", "by", "sizes", "cheapest", "bracketing"})

CHEAPEST = {
    "left": "left alone reaches the optimum",
    "right": "right alone reaches the optimum",
    "left = right": "left and right both reach the optimum",
    "another": "another order is cheaper than left and right",
}
"""What the column "cheapest" says, by multiplications."""

Row = dict[str, Any]


def cheapest_of(left: int, right: int, optimal: int) -> str:
    """Return which of left and right reach the fewest multiplications.

    Examples
    --------
    >>> cheapest_of(5, 7, 5), cheapest_of(5, 5, 4)
    ('left', 'another')
    """
    if left > optimal and right > optimal:
        return "another"
    if left == right:
        return "left = right"
    return "left" if left == optimal else "right"


@dataclass(frozen=True)
class Crossover:
    """Along one axis, the others fixed, which strategy is the cheapest from where to where.

    Attributes
    ----------
    axis : str
        "width", "depth" or "batch".
    fixed : dict
        The values of the other axes, the activation and the derivative.
    runs : tuple of (str, int, int)
        The cheapest, from the first value to the last at which it is.
    """

    axis: str
    fixed: dict[str, Any]
    runs: tuple[tuple[str, int, int], ...]

    def __str__(self) -> str:
        where = ", ".join(
            f"{name} {value}" if name in AXES else str(value) for name, value in self.fixed.items()
        )
        parts = []
        for place, (cheapest, first, last) in enumerate(self.runs):
            name = "another order" if cheapest == "another" else cheapest
            if place == 0:
                parts.append(f"{name} up to {self.axis} {last}")
            elif place == len(self.runs) - 1:
                parts.append(f"{name} from {first}")
            else:
                parts.append(f"{name} from {first} to {last}")
        return f"{where}: {', '.join(parts)}"


def counted(rows: Sequence[Row]) -> str:
    """Return how many networks there are, and how many derivatives of each where it is more than one."""
    networks = len({tuple(row[name] for name in (*AXES, "activation")) for row in rows})
    derivatives = len({row["by"] for row in rows})
    return f"{networks:,} networks" + (f", {derivatives} derivatives of each" if derivatives > 1 else "")


def crossovers(rows: Sequence[Row], axis: str) -> Iterator[Crossover]:
    """Yield each line along an axis on which the cheapest changes."""
    others = [name for name in (*AXES, "activation", "by") if name != axis]
    lines: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        lines.setdefault(tuple(row[name] for name in others), []).append(row)
    for key, line in lines.items():
        runs: list[tuple[str, int, int]] = []
        for row in sorted(line, key=lambda row: row[axis]):
            if runs and runs[-1][0] == row["cheapest"]:
                runs[-1] = (*runs[-1][:2], row[axis])
            else:
                runs.append((row["cheapest"], row[axis], row[axis]))
        if len(runs) > 1:
            yield Crossover(axis, dict(zip(others, key, strict=True)), tuple(runs))


def shown_value(field: str, value: Any) -> str:
    """Return a value as a cell of a table."""
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and field not in AXES else str(value)
