"""The points of an assignment: written down, or random with a seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jacobians.numerics.arrays import Array, real_array
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
    below : int or str
        For a random point: where some arguments are integers, which a dtype says, the size, a number or a name, that
        they stay below; they begin at 0, as labels do.
    dtypes : dict
        What an argument is, where it is not float64: "float32", "int64", "int32".

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
    below: int | str = 0
    dtypes: dict[str, str] = field(default_factory=dict)

    def places(self) -> list[dict[str, Array]]:
        """Return the arguments of every call, by name, each in its dtype; one without axes is an array too."""
        if self.values:
            return [self.values]
        return [self._place(np.random.default_rng([self.seed, number])) for number in range(self.count)]

    def _place(self, rng: np.random.Generator) -> dict[str, Array]:
        sizes = {name: int(rng.integers(low, high + 1)) for name, (low, high) in sorted(self.sizes.items())}
        place: dict[str, Array] = {}
        for name, axes in self.shapes.items():
            shape = tuple(sizes[axis] if isinstance(axis, str) else axis for axis in axes)
            dtype = np.dtype(self.dtypes.get(name, "float64"))
            drawn: Any
            if dtype.kind == "i":
                below = sizes[self.below] if isinstance(self.below, str) else self.below
                drawn = rng.integers(0, below, shape)
            elif self.between is None:
                drawn = rng.standard_normal(shape)
            else:
                drawn = rng.uniform(*self.between, shape)
            place[name] = np.asarray(drawn, dtype)  # a shape of () draws a number
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
    given = dict(fields.table_of("values" if "values" in fields.table else "shapes"))
    integers = dict(fields.table_of("integers", {})) if "shapes" in fields.table else {}
    below = integers.pop("below", None)
    for key in set(integers) & set(given):
        raise AssignmentError(
            f"{fields.place}: found {key!r} in shapes and in integers, expected it in one of them"
        )
    given |= integers
    if set(given) != set(arguments):
        raise AssignmentError(
            f"{fields.place}: found {', '.join(map(repr, given)) or 'nothing'}, expected every argument, "
            f"{', '.join(map(repr, arguments))}, once"
        )
    if "values" in fields.table:
        dtypes = _dtypes(fields, arguments, ("float64", "float32", "int64", "int32"))
        return Point(name, {key: _value(fields.place, key, given[key], dtypes.get(key)) for key in arguments})
    sizes = {key: _bounds(fields, key, value) for key, value in fields.table_of("sizes", {}).items()}
    shapes = {key: _axes(fields, key, given[key], sizes) for key in arguments}
    between = None
    if fields.has("between"):
        value = fields.table["between"]
        numbers = isinstance(value, list) and len(value) == 2 and all(type(n) in (int, float) for n in value)
        if not numbers or not -1e300 < value[0] < value[1] < 1e300:
            raise fields.refuse("between", "two numbers [low, high]")
        between = (float(value[0]), float(value[1]))
    dtypes = dict.fromkeys(integers, "int64")
    dtypes |= _dtypes(fields, tuple(integers), ("int64", "int32"), of_all=False)
    dtypes |= _dtypes(fields, tuple(key for key in given if key not in integers), ("float64", "float32"))
    if bool(integers) != (below is not None) or not (
        below is None or below in sizes or (type(below) is int and 1 <= below <= 1 << 31)
    ):
        raise AssignmentError(
            f"{fields.place}: integers: found below = {below!r}, expected a number of at least 1 or a name out of "
            f'sizes, as in integers = {{ y = ["N"], below = "C" }}'
        )
    point = Point(
        name,
        {},
        shapes,
        sizes,
        fields.integer("count", 1, least=1, most=MOST_TRIALS),
        fields.integer("seed", -1, least=0),
        between,
        0 if below is None else below,
        dtypes,
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


def _dtypes(
    fields: Fields, arguments: tuple[str, ...], choices: tuple[str, ...], of_all: bool = True
) -> dict[str, str]:
    """Return the dtypes that a point names for some arguments: one for all of them, or a table."""
    if not fields.has("dtype"):
        return {}
    value = fields.table["dtype"]
    if isinstance(value, str):
        value = dict.fromkeys(arguments, value) if of_all else {}
    if not isinstance(value, dict):
        raise fields.refuse("dtype", "a dtype, or a table of an argument's dtype")
    found = {key: dtype for key, dtype in value.items() if key in arguments}
    if not all(dtype in choices for dtype in found.values()):
        raise fields.refuse(
            "dtype", f"for {', '.join(map(repr, arguments))} one of {', '.join(map(repr, choices))}"
        )
    return found


def _value(place: str, key: str, value: Any, dtype: str | None) -> Array:
    """Return what the TOML holds: integers stay integers, unless a dtype says otherwise."""
    try:
        usual = "int64" if _of_integers(value) else "float64"
        integers = np.asarray(value, usual) if usual == "int64" else None
        numbers = real_array(value, key)
        array = (numbers if integers is None else integers).astype(dtype or usual)
    except OverflowError:
        raise AssignmentError(
            f"{place}: values: {key}: found an integer that has no int64, expected 64 bits"
        ) from None
    except (TypeError, ValueError) as error:
        raise AssignmentError(f"{place}: values: {error}") from None
    if not np.isfinite(array).all():
        raise AssignmentError(f"{place}: values: {key}: found NaN or infinity, expected finite numbers")
    if array.dtype.kind == "i" and not np.array_equal(array, numbers):
        raise AssignmentError(
            f"{place}: values: {key}: found numbers that are no {array.dtype}, expected integers"
        )
    return array


def _of_integers(value: Any) -> bool:
    return all(map(_of_integers, value)) if isinstance(value, list) and value else type(value) is int


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
