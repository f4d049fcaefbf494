"""What is wrong with a formula, as far as one simple change explains it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from jacobians.formulas import Derivative
from jacobians.formulas.tree import Program
from verification.causes import Slip
from verification.formula_points import Expected, Point, layouts_of, symmetric_of, value_or_nan, without_ones


class Mistake(NamedTuple):
    """What is wrong with a formula: a name that tells nothing of the answer, what tells more, and the known slip."""

    name: str
    detail: str = ""
    slip: Slip = Slip.UNKNOWN

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}" if self.detail else self.name


UNKNOWN = Mistake("")


def diagnosis_of(own: Program, d: Derivative, points: list[Point]) -> Mistake:
    """Return what is wrong with a candidate, as far as one simple change explains it."""
    if not all(np.isfinite(value_or_nan(own, p)).all() for p in points):
        return Mistake("it has no real, finite value at random points")
    if other := _by_other_entries(own, d, points):
        return Mistake(other)
    for _, expected, vec in layouts_of(d):
        found = [(value_or_nan(own, p, vec), expected(p)) for p in points]
        if any(a.shape != b.shape for a, b in found):
            continue
        factors = [float(np.vdot(b, a) / max(np.vdot(b, b), 1e-300)) for a, b in found]
        exact = all(
            np.allclose(a, f * b, rtol=1e-6, atol=1e-9) for (a, b), f in zip(found, factors, strict=True)
        )
        if exact and np.allclose(factors, factors[0], rtol=1e-6) and factors[0] != 0:
            if np.isclose(factors[0], -1):
                return Mistake("the sign is wrong", slip=Slip.SIGN)
            return Mistake("a constant factor is wrong", f"{factors[0]:.4g} times", Slip.FACTOR)
        for variable in _square(d):
            if _right_for_symmetric(own, d, expected, vec, points, variable):
                return Mistake(f"right for symmetric {variable}")
        parts = d.terms()
        for left_out, part in enumerate(parts):
            rest = [_without(d, p, left_out) for p in points]
            whole = [expected(Point(p.values, p.sizes, r)) for p, r in zip(points, rest, strict=True)]
            if len(parts) > 1 and all(
                np.allclose(a, w, rtol=1e-6, atol=1e-9) for (a, _), w in zip(found, whole, strict=True)
            ):
                return Mistake(f"one term of {len(parts)} is missing", str(part))
    for name, expected, vec in layouts_of(d):
        turned = [(value_or_nan(own, p, vec).T, expected(p)) for p in points]
        if all(a.shape == b.shape and np.allclose(a, b) for a, b in turned):
            return Mistake("transposed", name, Slip.TRANSPOSED)
    laid_out = [expected(p).shape for p in points for _, expected, _ in layouts_of(d)]
    shapes = sorted({value_or_nan(own, p).shape for p in points})
    if not set(shapes) & set(laid_out):
        return Mistake(f"its shape is {' and '.join(f'{m}×{n}' for m, n in shapes)} at these sizes")
    return UNKNOWN


def _by_other_entries(own: Program, d: Derivative, points: list[Point]) -> str:
    """Say whether a candidate is right by all entries of a symmetric matrix in place of its free ones, or by these."""
    if d.outputs or "symmetric" not in d.assumptions(d.by):
        return ""
    for point in points:
        x, found = point.values[d.by], value_or_nan(own, point)
        if found.shape != x.shape:
            return ""
        whole, right = found, point.jacobian.reshape(-1)
        if d.half:
            whole, right = found + found.T - np.diag(np.diag(found)), symmetric_of(right, x.shape[0])
        else:
            right = right.reshape(x.shape)
            right = right + right.T - np.diag(np.diag(right))
        if not np.allclose(whole, right, rtol=1e-6, atol=1e-9):
            return ""
    if d.half:
        return f"right by all entries of {d.by}, G; by vech({d.by}) it is G + Gᵀ − G ⊙ I"
    return f"right by vech({d.by}), the free entries of {d.by}; by all of them no entry counts twice"


def _square(d: Derivative) -> list[str]:
    """Return the variables that are square and not declared symmetric."""
    found = []
    for name in d.sizes:
        rows, columns = d.axes(name)
        if rows == columns and rows and "symmetric" not in d.assumptions(name):
            found.append(name)
    return found


def _right_for_symmetric(
    own: Program, d: Derivative, expected: Expected, vec: str, points: list[Point], variable: str
) -> bool:
    for point in points:
        a = point.values[variable]
        values = {**point.values, variable: (a + a.T) / 2}
        arrays = {name: without_ones(values[name]) for name in d.sizes}
        try:
            jacobian = d.evaluate(**arrays).reshape(point.jacobian.shape)
        except np.linalg.LinAlgError:  # the formula itself has no value where the variable is symmetric
            return False
        there = Point(values, point.sizes, jacobian)
        found, right = value_or_nan(own, there, vec), expected(there)
        if found.shape != right.shape or not np.allclose(found, right, rtol=1e-6, atol=1e-9):
            return False
    return True


def _without(d: Derivative, point: Point, left_out: int) -> Any:
    arrays = {name: without_ones(point.values[name]) for name in d.sizes}
    return d.evaluate_without(left_out, **arrays).reshape(point.jacobian.shape)
