"""The points of an assignment: written down, or random with a seed."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, Strict, WithJsonSchema, model_validator

from jacobians.numerics.arrays import Array, real_array
from verification.grading.fields import Name, Names, Table, Text, refusal

MOST_TRIALS = 1000
MOST_NUMBERS = 1_000_000
REALS, INTEGERS = ("float64", "float32"), ("int64", "int32")

Reveal = Literal["nothing", "verdict", "diagnosis", "worst"]
Visibility = Literal["visible", "after_due_date", "after_published", "hidden"]
_SIZE = {"type": "integer", "minimum": 1, "maximum": MOST_NUMBERS}
_AXIS = {"anyOf": [_SIZE, {"type": "string"}]}
_BOUNDS = {"anyOf": [_SIZE, {"type": "array", "items": _SIZE, "minItems": 2, "maxItems": 2}]}
_DTYPE = {"enum": [*REALS, *INTEGERS]}
Shape = Annotated[Any, WithJsonSchema({"type": "array", "items": _AXIS})]
Bounds = Annotated[Any, WithJsonSchema(_BOUNDS)]
Dtype = Annotated[
    Any, WithJsonSchema({"anyOf": [_DTYPE, {"type": "object", "additionalProperties": _DTYPE}]})
]


class Point(Table):
    """A point of a function, for which there are marks: where it is called, once or at several random places.

    Examples
    --------
    >>> point = Point(shapes={"W": ["h", 2], "x": [2]}, sizes={"h": 3}, count=1, seed=0)
    >>> {name: array.shape for name, array in point.places()[0].items()}
    {'W': (3, 2), 'x': (2,)}
    """

    name: Text = Field("", description="For the reports.")
    values: dict[Name, Any] | None = Field(None, description="Each argument of a point that is written down.")
    shapes: dict[Name, Shape] | None = Field(
        None, description="For a random point: for each argument the sizes of its axes, numbers or names."
    )
    integers: dict[Name, Any] = Field(
        {},
        description="Random integers: an argument's shape each, and `below`, a number or a name out of sizes, that "
        "they stay below; they begin at 0, as labels do.",
    )
    dtype: Dtype = Field(
        None,
        description="What arguments are, all or in a table, where they are not float64, or int64 for integers.",
    )
    constants: dict[Name, Any] = Field(
        {},
        description="For a random point: arguments that are the same at every place: true, a text, a table, 1e-5.",
    )
    none: Names = Field((), description="Arguments that are None.")
    sizes: dict[Name, Bounds] = Field(
        {}, description="A size for each name, or two bounds [low, high] between which it is drawn."
    )
    count: int = Field(1, ge=1, le=MOST_TRIALS, description="How many random places.")
    seed: int | None = Field(None, ge=0, le=10**9, description="From which they are drawn.")
    between: Annotated[tuple[float, ...], Strict(False)] | None = Field(
        None, min_length=2, max_length=2, description="Bounds of uniform numbers, in place of normal ones."
    )
    marks: float = Field(1.0, ge=0, le=1e9, description="For all places of the point.")
    confirm: bool = Field(
        True,
        description="Whether the witnesses must confirm the expected answer; false where yours holds by itself.",
    )
    at_kink: Literal["refuse", "any"] = Field(
        "refuse",
        description="What is done where there is no derivative: end the marking, or accept all between the "
        "one-sided derivatives.",
    )
    partial: bool = Field(True, description="Whether a part of the places gives a part of the marks.")
    reveal: Reveal | None = Field(None, description="What the student is told.")
    visibility: Visibility = Field("visible", description="When the student sees it; Gradescope's words.")

    @property
    def given(self) -> dict[str, Any]:
        """What stands for each argument: a value, or a shape."""
        return {**(self.values or {}), **self.constants, **dict.fromkeys(self.none), **self.drawn}

    @property
    def drawn(self) -> dict[str, Any]:
        """The shape of each argument that is drawn."""
        return {**(self.shapes or {}), **{key: axes for key, axes in self.integers.items() if key != "below"}}

    def places(self, student: int | None = None) -> list[dict[str, Any]]:
        """Return the arguments of every call, by name; of a random point those of one student, if one is named.

        Numbers are arrays, each in its dtype, also those without axes; true and false, text and None stand for
        themselves, and a table is a dict of such values.
        """
        none = dict.fromkeys(self.none)
        if self.values is not None or self.shapes is None:
            return [
                {key: _value(key, value, self.dtype_of(key)) for key, value in (self.values or {}).items()}
                | none
            ]
        fixed = {key: _value(key, value, None) for key, value in self.constants.items()} | none
        own = [] if student is None else [student]
        return [
            fixed | self._place(np.random.default_rng([self.seed or 0, number, *own]))
            for number in range(self.count)
        ]

    def dtype_of(self, key: str) -> str | None:
        """Return the dtype that is asked for, None for the usual one."""
        drawn = key in self.integers
        if isinstance(self.dtype, dict):
            return self.dtype.get(key, INTEGERS[0] if drawn else None)
        return INTEGERS[0] if drawn else self.dtype

    def _place(self, rng: np.random.Generator) -> dict[str, Array]:
        bounds = {name: _bounds(value) for name, value in self.sizes.items()}
        sizes = {name: int(rng.integers(low, high + 1)) for name, (low, high) in sorted(bounds.items())}
        place: dict[str, Array] = {}
        for name, axes in self.drawn.items():
            shape = tuple(sizes[axis] if isinstance(axis, str) else axis for axis in axes)
            drawn: Any
            if name in self.integers:
                below = self.integers["below"]
                drawn = rng.integers(0, sizes[below] if isinstance(below, str) else below, shape)
            elif self.between is None:
                drawn = rng.standard_normal(shape)
            else:
                drawn = rng.uniform(self.between[0], self.between[1], shape)
            place[name] = np.asarray(drawn, self.dtype_of(name) or "float64")  # a shape of () draws a number
        return place

    # --- what makes no sense ------------------------------------------------------------------------------

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.values is not None and self.shapes is not None:
            raise refusal("found both or none of values and shapes, expected one of them", whole=True)
        tables = {
            name: getattr(self, name) or () for name in ("values", "shapes", "integers", "constants", "none")
        }
        for first, second in combinations(tables, 2):
            for key in set(tables[first]) & set(tables[second]):
                raise refusal(
                    f"found {key!r} in {first} and in {second}, expected it in one of them", whole=True
                )
        if self.values is not None:
            for key in ("integers", "constants", "sizes", "count", "seed", "between"):
                if key in self.model_fields_set:
                    raise refusal("nothing beside values, which are no random ones", key)
            self._require_dtypes()
            for key, value in self.values.items():
                _value(key, value, self.dtype_of(key))
        elif self.shapes is not None or self.drawn or self.constants or self.none:
            self._require_random()
        return self

    def _require_random(self) -> None:
        for key, bounds in self.sizes.items():
            low_high = [bounds, bounds] if type(bounds) is int else bounds
            if (
                not isinstance(low_high, list)
                or len(low_high) != 2
                or not all(type(n) is int for n in low_high)
                or not 1 <= low_high[0] <= low_high[1] <= MOST_NUMBERS
            ):
                raise refusal("a size of at least 1, or two such bounds [low, high]", "sizes", key)
        for key, value in self.constants.items():
            _value(key, value, None, "constants")
        for key, axes in self.drawn.items():
            if not isinstance(axes, list) or not all(map(self._is_axis, axes)):
                known = f" or out of {', '.join(map(repr, self.sizes))}" if self.sizes else ""
                known = known or "; named ones are defined in sizes"
                table = "integers" if key in self.integers else "shapes"
                raise refusal(f"a list of sizes, numbers{known}", table, key)
        self._require_dtypes()
        if self.between is not None and not -1e300 < self.between[0] < self.between[1] < 1e300:
            raise refusal("two numbers [low, high]", "between")
        below = self.integers.get("below")
        fits = (isinstance(below, str) and below in self.sizes) or (
            type(below) is int and 1 <= below <= 1 << 31
        )
        if self.integers and not (fits and len(self.integers) > 1):
            raise refusal(
                f"integers: found below = {below!r}, expected a number of at least 1 or a name out of sizes, as in "
                f'integers = {{ y = ["N"], below = "C" }}',
                whole=True,
            )
        if self.seed is None:
            raise refusal("an integer from 0 to 1000000000", "seed")
        largest = {key: _bounds(value)[1] for key, value in self.sizes.items()}
        total = sum(
            math.prod(largest[axis] if isinstance(axis, str) else axis for axis in axes)
            for axes in self.drawn.values()
        )
        if total * self.count > MOST_NUMBERS:
            raise refusal(
                f"found {total * self.count:,} numbers, expected at most {MOST_NUMBERS:,}; choose smaller sizes or "
                f"a smaller count",
                whole=True,
            )

    def _is_axis(self, axis: object) -> bool:
        if isinstance(axis, str):
            return axis in self.sizes
        return isinstance(axis, int) and not isinstance(axis, bool) and 1 <= axis <= MOST_NUMBERS

    def _require_dtypes(self) -> None:
        drawn = [key for key in self.given if key in self.integers]
        others = [key for key in self.given if key not in self.integers]
        if self.dtype is None:
            return
        if not isinstance(self.dtype, str | dict):
            raise refusal("a dtype, or a table of an argument's dtype", "dtype")
        for keys, choices in (
            (drawn, INTEGERS),
            (others, (*REALS, *INTEGERS) if self.values is not None else REALS),
        ):
            found = (
                [self.dtype]
                if isinstance(self.dtype, str) and keys is others
                else [self.dtype[key] for key in keys if key in self.dtype]
                if isinstance(self.dtype, dict)
                else []
            )
            if not all(dtype in choices for dtype in found):
                raise refusal(
                    f"for {', '.join(map(repr, keys))} one of {', '.join(map(repr, choices))}", "dtype"
                )
        for key in self.dtype if isinstance(self.dtype, dict) else ():
            if key not in self.given:
                raise refusal(
                    f"the key {key!r} to be an argument: {', '.join(map(repr, self.given))}", "dtype"
                )


def _bounds(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _value(key: str, value: Any, dtype: str | None, table: str = "values") -> Any:
    """Return what the TOML holds: numbers as arrays, and everything else as it is."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, dict):
        return {inner: _value(f"{key}.{inner}", part, None, table) for inner, part in value.items()}
    if isinstance(value, list) and value and all(isinstance(entry, str) for entry in value):
        return value
    return _array(f"{table}: {key}", value, dtype)


def _array(key: str, value: Any, dtype: str | None) -> Array:
    """Return an array: integers stay integers, and true and false themselves, unless a dtype says otherwise."""
    flags = _of_flags(value)
    if flags and dtype is None:
        return np.asarray(value, bool)
    try:
        usual = "int64" if _of_integers(value) else "float64"
        integers = np.asarray(value, usual) if usual == "int64" else None
        numbers = real_array(value, key)
        array = (numbers if integers is None else integers).astype(dtype or usual)
    except OverflowError:
        raise refusal(f"{key}: found an integer that has no int64, expected 64 bits", whole=True) from None
    except (TypeError, ValueError) as error:
        raise refusal(str(error), whole=True) from None
    if not np.isfinite(array).all():
        raise refusal(f"{key}: found NaN or infinity, expected finite numbers", whole=True)
    if array.dtype.kind == "i" and not np.array_equal(array, numbers):
        raise refusal(f"{key}: found numbers that are no {array.dtype}, expected integers", whole=True)
    return array


def _of_flags(value: Any) -> bool:
    return all(map(_of_flags, value)) if isinstance(value, list) and value else isinstance(value, bool)


def _of_integers(value: Any) -> bool:
    return all(map(_of_integers, value)) if isinstance(value, list) and value else type(value) is int
