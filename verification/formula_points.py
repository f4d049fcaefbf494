"""Points of random values and distinct sizes at which the witnesses confirm a formula's derivative."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import numpy as np

from jacobians.formulas import Derivative, FormulaError
from jacobians.formulas.size_sums import atom_number, is_sum, letters_of, sized
from jacobians.formulas.tree import Program, parts_of
from jacobians.formulas.values import Values
from jacobians.numerics.arguments import checked_integer
from verification.check import check

WITNESSES = ("finite-difference", "complex-step")
MOST_DRAWS = 60


@dataclass(frozen=True)
class Point:
    """Values at random sizes, with the derivative there as the witnesses confirmed it."""

    values: dict[str, Any]
    sizes: dict[str, int]
    jacobian: Any  # outputs × inputs, row-major vec


def confirmed_points(d: Derivative, points: int, seed: int) -> list[Point]:
    """Return points at which the witnesses confirm the derivative, fewer where too few are found."""
    found: list[Point] = []
    seed = checked_integer(seed, "seed", least=0, most=None)
    for draw in range(MOST_DRAWS):
        if len(found) == points:
            break
        rng = np.random.default_rng([seed, draw])
        sizes = _sizes(d, rng)
        values = {name: _sample(d, name, sizes, rng, positive=draw % 2 == 1) for name in d.sizes}
        with np.errstate(all="ignore"):
            try:
                point = _confirmed(d, values, sizes)
            except (np.linalg.LinAlgError, IndexError):  # no inverse; a slice that goes beyond the end
                continue
            except MemoryError as error:
                raise FormulaError(
                    f"formula: found what is too large to check, expected less: {error}"
                ) from error
        if point is not None:
            found.append(point)
    return found


def _sizes(d: Derivative, rng: np.random.Generator) -> dict[str, int]:
    own = {letter for name in d.sizes for size in d.axes(name) for letter in letters_of(size)}
    letters = sorted(own | d.free_sizes)
    least = 2 + least_entries(d.program)
    sums = [atom for name in d.sizes for size in d.axes(name) for atom in size if is_sum(atom)]
    pool = np.arange(least, least + max(3, len(letters)))
    for _ in range(MOST_DRAWS):
        sizes = {letter: int(size) for letter, size in zip(letters, rng.permutation(pool), strict=False)}
        if all(atom_number(atom, sizes) > 0 for atom in sums):
            return sizes
    raise FormulaError(
        f"formula: found no sizes at which {', '.join(map(str, sums))} are all positive, expected sizes that can be"
    )


def least_entries(program: Program) -> int:
    """Return how many entries the indices of a formula need beyond those of any size."""
    bodies = [program.body, *(node for _, node in program.lets)]
    indices = [node for body in bodies for node in parts_of(body) if node.op == "index"]
    places = [place for node in indices for spec in node.value
              for place in (spec if isinstance(spec, tuple) else (spec,)) if isinstance(place, int)]  # fmt: skip
    return max(map(abs, places), default=0)


def _sample(
    d: Derivative, name: str, sizes: Mapping[str, int], rng: np.random.Generator, *, positive: bool
) -> Any:
    rows, columns = (prod(atom_number(atom, sizes) for atom in size) for size in d.axes(name))
    a: Any = rng.normal(size=(rows, columns))
    tags = d.assumptions(name)
    if "positive definite" in tags:
        return a @ a.T / rows + np.eye(rows)
    if "orthogonal" in tags:
        return np.linalg.qr(a)[0]
    if "diagonal" in tags:
        return np.diag(1 + np.abs(np.diag(a)))
    if "symmetric" in tags:
        return (a + a.T) / 2
    if "probability" in tags:
        return np.exp(a) / np.exp(a).sum()
    return np.exp(a / 2) if positive or "positive" in tags else a


def value_at(
    program: Program, point: Point, vec: str = "row", changed: Mapping[str, Any] | None = None
) -> Any:
    """Return a formula's value at a point, as a 2-D array."""
    at = Values({**point.values, **(changed or {})}, point.sizes, vec)
    with np.errstate(all="ignore"):  # a stranger's text may overflow on its way to a wrong value
        for name, node in program.lets:
            at.values[name] = at.of(node)
        return at.of(program.body)


def value_or_nan(program: Program, point: Point, vec: str = "row") -> Any:
    """Return a formula's value at a point, a single NaN where it has no real one there: an inverse of what has none."""
    try:
        found = np.real_if_close(value_at(program, point, vec), tol=1e6)
    except FormulaError:  # of the text, not of the point
        raise
    except (ValueError, OverflowError, IndexError):
        return np.full((1, 1), np.nan)
    return np.full((1, 1), np.nan) if np.iscomplexobj(found) else found


def _confirmed(d: Derivative, values: dict[str, Any], sizes: dict[str, int]) -> Point | None:
    """Return a point whose derivative the witnesses confirm to be ours; None where they cannot."""
    x = values[d.by]
    draft = Point(values, sizes, None)

    def f(entries: Any) -> Any:
        moved = symmetric_of(entries, x.shape[0]) if d.half else np.reshape(entries, x.shape)
        return np.ravel(value_at(d.program, draft, changed={d.by: moved}))

    start = x.T[np.triu_indices(x.shape[0])] if d.half else x.ravel()
    if not np.isfinite(f(start)).all():
        return None
    arrays = {name: without_ones(a) for name, a in values.items()}
    free = {letter: sizes[letter] for letter in d.free_sizes}
    jacobian = d.evaluate(**arrays, **free).reshape(f(start).size, start.size)
    report = check(f, start, jacobian=jacobian, witnesses=WITNESSES)
    if report.verdict == "wrong":
        raise AssertionError(
            f"the derivative of {d.formula!r} by {d.by} is wrong here, a fault of this package: {report}"
        )
    if not report.passed:
        return None
    at = Values(values, sizes)
    for name, node in d.program.lets:  # a printed line may speak of them
        at.values[name] = at.of(node)
    return Point(at.values, sizes, jacobian)


def symmetric_of(entries: Any, n: int) -> Any:
    """Return the symmetric n×n matrix of a vech: the entries on and below the diagonal, column by column."""
    made = np.empty((n, n), np.asarray(entries).dtype)
    columns, rows = np.triu_indices(n)
    made[rows, columns] = made[columns, rows] = entries
    return made


def without_ones(a: Any) -> Any:
    """Return an array without axes of length 1."""
    return a.reshape([n for n in a.shape if n != 1])


# --- layouts ---------------------------------------------------------------------------------------------------

Expected = Callable[[Point], Any]


def layouts_of(d: Derivative) -> list[tuple[str, Expected, str]]:
    """Return each way to lay out the derivative: its name, its array at a point, and what vec means there."""
    if d.half:
        return [
            (d.kind, lambda p: symmetric_of(p.jacobian.ravel(), p.values[d.by].shape[0]), "row"),
            (f"Jacobian by vech({d.by}), numerator layout", lambda p: p.jacobian, "row"),
            (f"Jacobian by vech({d.by}), denominator layout", lambda p: p.jacobian.T, "row"),
        ]
    found: list[tuple[str, Expected, str]] = []
    if not d.outputs:
        found.append(
            (f"gradient, in the shape of {d.by}", lambda p: p.jacobian.reshape(p.values[d.by].shape), "row")
        )
    for vec in ("row", "column"):
        order = f", {vec}-major vec" if len(d.shape) > 1 or d.stacks else ""
        found.append((f"Jacobian, numerator layout{order}", partial(_stacked, d, vec), vec))
        found.append((f"Jacobian, denominator layout{order}", partial(_turned, d, vec), vec))
    return found


def _turned(d: Derivative, vec: str, point: Point) -> Any:
    return _stacked(d, vec, point).T


def _stacked(d: Derivative, vec: str, point: Point) -> Any:
    if vec == "row":
        return point.jacobian
    lengths = [
        prod(atom_number(atom, point.sizes) for part in text.split("·") for atom in sized(part))
        for text in d.shape
    ]
    out = d.outputs
    order = (*range(out)[::-1], *range(out, len(lengths))[::-1])
    return point.jacobian.reshape(lengths).transpose(order).reshape(point.jacobian.shape)


def error_of(program: Program, expected: Expected, points: list[Point], vec: str) -> float:
    """Return the largest error relative to the largest entry; infinity where shapes differ or do not fit."""
    worst = 0.0
    for point in points:
        found, right = value_or_nan(program, point, vec), expected(point)
        if found.size == 1 and right.size == 1:
            found = found.reshape(right.shape)
        if found.shape != right.shape or not np.isfinite(found).all():
            return float("inf")
        worst = max(worst, float(np.abs(found - right).max() / max(np.abs(right).max(), 1e-12)))
    return worst
