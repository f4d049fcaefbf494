"""What makes an import one that can be believed: its output and its gradient against those of the source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import numpy as np

from jacobians import Function
from jacobians.equality import ByValue
from jacobians.numerics.arrays import Array
from jacobians.structures import Jacobian
from verification import finite_difference_jacobian

F = TypeVar("F", bound=Function)

TRIALS = 3
MOST_COLUMNS = 128
"""Of inputs, up to which each column of the Jacobian is compared with differences; of more, some directions are."""
DIRECTIONS = 4
OUTPUT_TOLERANCE = 1e-10
"""Of the size of the outputs."""
GRADIENT_TOLERANCE = 1e-6
"""Of the size of the Jacobian, and of a thousandth of the outputs, beside central differences."""
SINGLE = 1e5
"""How many times more outputs may differ where parameters are float32: what is computed from them is rounded."""
SINGLE_GRADIENT = 1e-4


class UnsupportedError(ValueError):
    """A source holds what has no counterpart here; ``names`` lists each."""

    names: tuple[str, ...] = ()


def unsupported(source: str, names: Sequence[str], supported: Sequence[str]) -> UnsupportedError:
    """Return the error that names each part of a source that has no counterpart."""
    each = tuple(dict.fromkeys(names))
    error = UnsupportedError(
        f"{source}: found {'; '.join(each)}, expected only {', '.join(supported)}; nothing was imported, "
        f"since what is left out would change the function"
    )
    error.names = each
    return error


@dataclass(frozen=True, eq=False)
class ImportCheck(ByValue):
    """How an imported function compares with its source at random points.

    Attributes
    ----------
    source : str
        What it was.
    shape : tuple of int
        Of one point.
    output_error, gradient_error : float
        The largest differences, divided by the size of what is compared.
    gradient_by : str
        "its own gradient" or "central differences".
    points : int
    passed : bool
    black_box : callable
        The source itself, from one point to one array, as ``verification.check`` takes it.
    """

    source: str
    shape: tuple[int, ...]
    output_error: float
    gradient_error: float
    gradient_by: str
    points: int
    passed: bool
    black_box: BlackBox = field(repr=False, compare=False)

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        return (
            f"{'agrees' if self.passed else 'DISAGREES'} with {self.source} at {self.points} points: output to "
            f"{self.output_error:.1e}, Jacobian to {self.gradient_error:.1e} of {self.gradient_by}"
        )


class BlackBox:
    """A source as a function of one point; pickle leaves it behind, for it belongs to another library."""

    def __init__(self, run: Callable[[Array], Array] | None = None) -> None:
        self._run = run

    def __call__(self, x: Array) -> Array:
        """Return the output of the source at a point."""
        if self._run is None:
            raise RuntimeError("black_box: found none, as the source is not pickled; import the model again")
        return self._run(x)

    def __reduce__(self) -> Any:
        return BlackBox, ()


def verified(
    function: F,
    source: str,
    black_box: Callable[[Array], Array],
    shape: tuple[int, ...],
    *,
    gradient: Callable[[Array], Array] | None = None,
    noisy: bool = False,
    seed: int = 0,
) -> F:
    """Return the function with its check as ``imported``.

    Parameters
    ----------
    black_box : callable
        The source, in float64 where it can.
    gradient : callable, optional
        Its own Jacobian (m, n), where it has one.
    noisy : bool
        Whether the source computes in float32 whatever it is given.

    Raises
    ------
    ValueError
        If the two disagree: the import is not given out.
    """
    rng = np.random.default_rng(seed)
    outputs, gradients = 0.0, 0.0
    for _ in range(TRIALS):
        x = rng.normal(size=shape)
        expected, found = np.asarray(black_box(x), dtype=float), np.asarray(function(x), dtype=float)
        if expected.shape != found.shape:
            raise ValueError(
                f"{source}: the import gives the shape {found.shape}, the source {expected.shape}; report it"
            )
        if not (np.isfinite(expected).all() and np.isfinite(found).all()):
            raise ValueError(
                f"{source}: found outputs of NaN or inf at a random point, expected numbers to compare; look for "
                f"NaN, inf or very large numbers among the weights"
            )
        size = float(np.max(np.abs(expected), initial=0.0))
        outputs = max(outputs, _distance(found, expected, 0.0))
        J, step = function.jacobian(x), 1e-2 if noisy else None
        if gradient is None and x.size > MOST_COLUMNS:
            gradients = max(gradients, _along(function, black_box, x, J, step, size, rng))
            continue
        if gradient is not None:
            theirs = gradient(x)
        else:
            theirs = finite_difference_jacobian(black_box, x, method="central", step=step)
        gradients = max(
            gradients, _distance(J.dense(), np.asarray(theirs, dtype=float).reshape(J.shape), 1e-3 * size)
        )
    single = noisy or any(value.dtype.itemsize < 8 for value in function.parameters.values())
    most = SINGLE if single else 1.0
    most_gradient = OUTPUT_TOLERANCE * 100 if gradient is not None else GRADIENT_TOLERANCE
    rough = 1e-2 if noisy and gradient is None else SINGLE_GRADIENT * single
    passed = outputs <= OUTPUT_TOLERANCE * most and gradients <= max(most_gradient, rough)
    by = "its own gradient" if gradient is not None else "central differences"
    check = ImportCheck(source, shape, outputs, gradients, by, TRIALS, passed, BlackBox(black_box))
    if not passed:
        raise ValueError(f"{source}: the import {check}; it is not given out: report it with the model")
    function.imported = check  # type: ignore[attr-defined]
    return function


def _distance(found: Array, expected: Array, noise: float) -> float:
    if not (np.isfinite(found).all() and np.isfinite(expected).all()):
        return np.inf
    size = float(np.max(np.abs(expected), initial=0.0)) + noise or 1.0
    return float(np.max(np.abs(found - expected), initial=0.0)) / size


def _along(function: Function, black_box: Callable[[Array], Array], x: Array, J: Jacobian, step: float | None,
           size: float, rng: np.random.Generator) -> float:  # fmt: skip
    """Return the largest error of J·v for some directions v, along which no kink is within a step."""
    error, compared = 0.0, 0
    reach = 1e-5 if step is None else step
    for _ in range(5 * DIRECTIONS):
        v = rng.choice([-1.0, 1.0], size=x.shape)
        before, behind = (function.smooth_piece(x + side * reach * v) for side in (-1, 1))
        if before is not None and behind is not None and not np.array_equal(before, behind):
            continue
        line = partial(_on_line, black_box, x, v)
        theirs = finite_difference_jacobian(line, np.zeros(1), method="central", step=step)
        error = max(error, _distance(J.matvec(v.ravel()), np.ravel(theirs), 1e-3 * size))
        compared += 1
        if compared == DIRECTIONS:
            break
    return error if compared else np.inf


def _on_line(black_box: Callable[[Array], Array], x: Array, v: Array, t: Array) -> Array:
    return np.ravel(np.asarray(black_box(x + t[0] * v), dtype=float))
