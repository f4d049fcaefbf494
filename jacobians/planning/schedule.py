"""What a plan did to arrays, kept: run again it is the same products and sums, without looking anything up."""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from jacobians.cost import Cost
from jacobians.numerics.arrays import Array
from jacobians.numerics.blas_threads import product
from jacobians.numerics.ledger import Ledger, matrix_product
from jacobians.structures import Jacobian


class Step(NamedTuple):
    """One product or sum: of the arrays in two places, or of one from there in another shape."""

    operation: Callable[[Any, Any], Any]
    left: int
    right: int


def _owner_of(array: Any) -> Any:
    while getattr(array, "base", None) is not None:
        array = array.base
    return array


class Tape(Ledger):
    """A ledger that keeps what is done to the arrays of Jacobians, as long as nothing else makes arrays of them.

    Parameters
    ----------
    given : iterable of Jacobian
        Their arrays, and views of them, are what steps begin with.
    """

    def __init__(self, given: Iterable[Jacobian]) -> None:
        super().__init__()
        self.places: list[Any] = []
        self.steps: list[Step] = []
        self.complete = True
        self._given = {id(_owner_of(array)) for one in given for array in _arrays(one)}
        self._made: dict[int, int] = {}
        self._results: list[Any] = []  # held while the tape runs, so that no id is given twice

    def matmul(self, a: Array, b: Array) -> Array:
        """Return a @ b, counted."""
        plain = np.ndim(a) == np.ndim(b) == 2
        return self._keep(product if plain else matrix_product, a, b, super().matmul(a, b))

    def scale(self, a: Array, b: Array) -> Array:
        """Return a * b, counted."""
        return self._keep(operator.mul, a, b, super().scale(a, b))

    def add(self, a: Array, b: Array) -> Array:
        """Return a + b, counted."""
        return self._keep(operator.add, a, b, super().add(a, b))

    def add_at(self, target: Array, index: Any, values: Array) -> None:
        """Add values to entries of the target, counted; arrays that are written into are not kept."""
        self.complete = False
        super().add_at(target, index, values)

    def place(self, array: Any) -> int:
        """Return the place of an array: a given one or a view of it, a result, or one of it in another shape."""
        if not self.complete:
            return 0
        made = self._made.get(id(_owner_of(array)))
        if made is None:
            self.complete = type(array) in (int, float) or id(_owner_of(array)) in self._given
            return self._put(array)
        result = self._results[made]
        if array is result:
            return made
        if array.size == result.size and array.flags.c_contiguous and result.flags.c_contiguous:
            self.steps.append(Step(np.reshape, made, self._put(array.shape)))
            return self._put(None, array)
        self.complete = False
        return 0

    def _keep(self, operation: Any, a: Any, b: Any, result: Any) -> Any:
        if type(result) is not np.ndarray:
            self.complete = False
        step = Step(operation, self.place(a), self.place(b)) if self.complete else None
        if step is not None and self.complete:
            self.steps.append(step)
            self._made[id(_owner_of(result))] = self._put(None, result)
        return result

    def _put(self, value: Any, result: Any = None) -> int:
        self.places.append(value)
        self._results.append(result)
        return len(self.places) - 1


class Schedule(NamedTuple):
    """Steps whose results go to the places that hold None, one after the other, and the Jacobians made of them."""

    places: list[Any]
    targets: list[int]
    steps: list[Step]
    results: list[tuple[Hashable, Jacobian, tuple[tuple[str, int], ...]]]
    cost: Cost

    def run(self) -> dict[Any, Jacobian]:
        """Run the steps again, on what the given arrays hold now."""
        places = self.places[:]
        for target, (operation, left, right) in zip(self.targets, self.steps, strict=True):
            places[target] = operation(places[left], places[right])
        found = {}
        for key, like, fields in self.results:
            made = found[key] = like._copy()
            for name, place in fields:
                setattr(made, name, places[place])
        return found


def schedule(tape: Tape, found: Mapping[Any, Jacobian]) -> Schedule | None:
    """Return what was kept on a tape as a schedule of these results; None where something else made arrays."""
    results: list[tuple[Hashable, Jacobian, tuple[tuple[str, int], ...]]] = []
    for key, one in found.items():
        if one.parts:
            return None
        fields = tuple((name, tape.place(array)) for name in (*one._fields, *one._indices)
                       if (array := getattr(one, name)) is not None)  # fmt: skip
        results.append((key, one._copy(), fields))
    if not tape.complete:
        return None
    targets = [place for place, value in enumerate(tape.places) if value is None]
    return Schedule(tape.places, targets, tape.steps, results, tape.cost)


def _arrays(one: Jacobian) -> list[Array]:
    found = [getattr(one, name) for name in (*one._fields, *one._indices)]
    return [array for array in found if array is not None] + [a for part in one.parts for a in _arrays(part)]
