"""A ledger that writes the counted cost beside each recorded operation."""

from __future__ import annotations

from typing import Any

import numpy as np

from backprop.compiling.recording import Recording
from jacobians.cost import ZERO_COST, Cost
from jacobians.numerics.arrays import is_recorded
from jacobians.numerics.ledger import Ledger


class RecordingLedger(Ledger):
    """A ledger that also writes the counted cost beside the operation.

    Parameters
    ----------
    recording : Recording
    planned : bool
        Whether what is recorded has to be what specs say, as what a plan multiplies is.
    """

    def __init__(self, recording: Recording, *, planned: bool = True) -> None:
        super().__init__()
        self.recording, self.planned = recording, planned

    def matmul(self, a: Any, b: Any) -> Any:
        """Return a @ b, with its cost."""
        return self._charge(super().matmul, a, b)

    def scale(self, a: Any, b: Any) -> Any:
        """Return a * b, with its cost."""
        return self._charge(super().scale, a, b)

    def add(self, a: Any, b: Any) -> Any:
        """Return a + b, with its cost."""
        return self._charge(super().add, a, b)

    def add_at(self, target: Any, index: Any, values: Any) -> None:
        """Add values to entries of the target, with the cost."""
        if any(is_recorded(part) for part in (target, index, values)):
            self._charge(super().add_at, target, index, values)
        else:  # of numbers that are known, into an array of numbers
            super().add_at(target, index, values)

    def add_points(self, array: Any, batch: tuple[int, ...]) -> Any:
        """Return the sum over points, with its cost."""
        return array if array.shape[:-1] == batch else self._charge(super().add_points, array, batch)

    def _charge(self, operation: Any, *operands: Any) -> Any:
        before = self.cost
        count = len(self.recording.nodes)
        first, second, *rest = operands
        if isinstance(first, np.ndarray) or is_recorded(first):
            first = self.recording.lift(first)
        else:  # a scalar
            second = self.recording.lift(second)
        result = operation(first, second, *rest)
        node = self.recording.nodes[-1] if result is None else result.node.root
        if len(self.recording.nodes) > count or node.cost == ZERO_COST:
            after = self.cost
            # an operation that is shared with an earlier one is executed, and counted, once
            node.cost = Cost(
                after.multiplications - before.multiplications, after.additions - before.additions
            )
        return result
