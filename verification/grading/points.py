"""The points of an assignment: written down, or random with a seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jacobians.arrays import Array, real_array
from verification.grading.fields import AssignmentError, Fields

MOST_TRIALS = 1000
MOST_NUMBERS = 1_000_000


@dataclass(frozen=True)
class Point:
    """Where a function is called.

    Attributes
    ----------
    name : str
        For the reports.
    values : dict
        The arguments of a point that is written down; empty for a random one.
    shapes : dict
        For a random point: for each argument the sizes of its axes, numbers or names out of `sizes`.
    sizes : dict
        The bounds between which each named size is drawn.
    count : int
        How many random places.
    seed : int
        From which they are drawn.
    between : tuple of float or None
        The bounds of uniform numbers; None for standard normal ones.

    Examples
    --------
    >>> point = Point("p", shapes={"W": ("h", 2), "x": (2,)}, sizes={"h": (3, 3)}, count=1, seed=0)
    >>> {name: array.shape for name, array in point.places()[0].items()}
    {'W': (3, 2), 'x': (2,)}
    """

    name: str
    values: dict[str, Array] = field(default_factory=dict)
    shapes: dict[str, tuple[int | str, ...]] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    count: int = 1
    seed: int = 0
    between: tuple[float, float] | None = None

    def places(self) -> list[dict[str, Array]]:
        """Return the arguments of every call, by name, in float64."""
        if self.values:
            return [self.values]
        return [self._place(np.random.default_rng([self.seed, number])) for number in range(self.count)]

    def _place(self, rng: np.random.Generator) -> dict[str, Array]:
        sizes = {name: int(rng.integers(low, high + 1)) for name, (low, high) in sorted(self.sizes.items())}
        place = {}
        for name, axes in self.shapes.items():
            shape = tuple(sizes[axis] if isinstance(axis, str) else axis for axis in axes)
            place[name] = (
                rng.standard_normal(shape) if self.between is None else rng.uniform(*self.between, shape)
            )
            place[name] = np.asarray(place[name])  # a shape of () draws a number
        return place


def read_point(fields: Fields, usual: str, arguments: tuple[str, ...]) -> Point:
    """Read what a ``[[function.point]]`` says about where the function is called.

    Parameters
    ----------
    fields : Fields
        The table.
    usual : str
        The name of a point that has none.
    arguments : tuple of str
        What must have a value or a shape.

    Raises
    ------
    AssignmentError
        If something is missing, or is not what it should be.
    """
    name = fields.text("name", usual)
    if fields.has("values") == fields.has("shapes"):
        raise AssignmentError(
            f"{fields.place}: found both or none of values and shapes, expected one of them"
        )
    given = fields.table_of("values" if "values" in fields.table else "shapes")
    if set(given) != set(arguments):
        raise AssignmentError(
            f"{fields.place}: found {', '.join(map(repr, given)) or 'nothing'}, expected every argument, "
            f"{', '.join(map(repr, arguments))}, once"
        )
    if "values" in fields.table:
        return Point(name, {key: _value(fields.place, key, given[key]) for key in arguments})
    sizes = {key: _bounds(fields, key, value) for key, value in fields.table_of("sizes", {}).items()}
    shapes = {key: _axes(fields, key, given[key], sizes) for key in arguments}
    between = None
    if fields.has("between"):
        value = fields.table["between"]
        numbers = isinstance(value, list) and len(value) == 2 and all(type(n) in (int, float) for n in value)
        if not numbers or not -1e300 < value[0] < value[1] < 1e300:
            raise fields.refuse("between", "two numbers [low, high]")
        between = (float(value[0]), float(value[1]))
    point = Point(
        name,
        {},
        shapes,
        sizes,
        fields.integer("count", 1, least=1, most=MOST_TRIALS),
        fields.integer("seed", -1, least=0),
        between,
    )
    largest = {key: high for key, (_, high) in sizes.items()}
    total = sum(
        int(np.prod([largest[axis] if isinstance(axis, str) else axis for axis in axes], dtype=float))
        for axes in shapes.values()
    )
    if total * point.count > MOST_NUMBERS:
        raise AssignmentError(
            f"{fields.place}: found {total * point.count:,} numbers, expected at most {MOST_NUMBERS:,}; "
            f"choose smaller sizes or a smaller count"
        )
    return point


def _value(place: str, key: str, value: Any) -> Array:
    try:
        array = real_array(value, key).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise AssignmentError(f"{place}: values: {error}") from None
    if not np.isfinite(array).all():
        raise AssignmentError(f"{place}: values: {key}: found NaN or infinity, expected finite numbers")
    return array


def _bounds(fields: Fields, key: str, value: Any) -> tuple[int, int]:
    bounds = [value, value] if type(value) is int else value
    if (
        not isinstance(bounds, list)
        or len(bounds) != 2
        or not all(type(n) is int for n in bounds)
        or not 1 <= bounds[0] <= bounds[1] <= MOST_NUMBERS
    ):
        raise fields.refuse("sizes", f"for {key!r} a size of at least 1, or two such bounds [low, high]")
    return bounds[0], bounds[1]


def _axes(fields: Fields, key: str, value: Any, sizes: dict[str, tuple[int, int]]) -> tuple[int | str, ...]:
    axes = value if isinstance(value, list) else None
    if axes is None or not all(
        n in sizes if isinstance(n, str) else type(n) is int and 1 <= n <= MOST_NUMBERS for n in axes
    ):
        known = f" or out of {', '.join(map(repr, sizes))}" if sizes else "; named ones are defined in sizes"
        raise fields.refuse("shapes", f"for {key!r} a list of sizes, numbers{known}")
    return tuple(axes)
