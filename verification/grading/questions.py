"""What is asked about a derivative and is no array of numbers: a formula, a shape, a layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, get_args

import numpy as np

from jacobians.formulas import FormulaError
from jacobians.numerics.arrays import Array
from jacobians.numerics.layouts import TensorLayout, to_tensor
from verification.formulas import Asked, FormulaReport, asked
from verification.grading.fields import AssignmentError
from verification.grading.tasks import Task
from verification.witnesses.finite_difference import richardson_jacobian

LAYOUTS: tuple[TensorLayout, ...] = get_args(TensorLayout)
NEAR = 1e-6
"""How far an array may be from a layout of the derivative, which differences find, to be in it."""


def report_on(task: Task, candidate: str | None) -> FormulaReport:
    """Return what `verification.check_formula` says of a formula that answers a task."""
    return _asked(task.formula, task.wrt, json.dumps(task.declare, default=str)).judged(candidate)


@lru_cache(maxsize=256)
def _asked(formula: str, wrt: str, declare: str) -> Asked:
    """Return a question with its derivative and the points that confirm it: the same for every answer."""
    return asked(formula, wrt, declare=json.loads(declare), points=3)


def confirmed_formula(task: Task, where: str) -> str:
    """Return what the witnesses say of the derivative that is asked for.

    Raises
    ------
    AssignmentError
        If the question is no formula, its derivative can't be confirmed, or `written_as` is not the derivative.
    """
    try:
        report = report_on(task, task.written_as or None)
    except (FormulaError, MemoryError, TypeError, ValueError) as error:
        raise AssignmentError(f"{where}: formula: {error}") from None
    if not report:
        key = "written_as" if task.written_as else "formula"
        raise AssignmentError(f"{where}: {key}: the expected answer is not confirmed: {report}")
    return str(report).replace("\n ", ";")


def shape_of(out_shape: tuple[int, ...], in_shape: tuple[int, ...], layout: str) -> Array:
    """Return the shape of a Jacobian in a layout, as numbers.

    Examples
    --------
    >>> shape_of((2,), (3, 4), "matrix"), shape_of((2,), (3, 4), "numerator")
    (array([ 2., 12.]), array([2., 4., 3.]))
    """
    m, n = int(np.prod(out_shape)), int(np.prod(in_shape))
    orders = {
        "matrix": (m, n),
        "mixed": (*out_shape, *in_shape),
        "numerator": (*out_shape, *in_shape[::-1]),
        "denominator": (*in_shape, *out_shape[::-1]),
    }
    return np.asarray(orders[layout], np.float64)


def layouts_of(
    given: Any, f: Callable[[Any], Any], x: Array, out_shape: tuple[int, ...], where: str
) -> Array:
    """Return the names of the layouts in which an array is the derivative of f at x.

    Raises
    ------
    AssignmentError
        If it is in none.
    """
    matrix = richardson_jacobian(f, x).matrix
    found = [
        layout
        for layout in LAYOUTS
        for tensor in (to_tensor(matrix, out_shape, x.shape, layout),)
        if np.shape(given) == tensor.shape
        and np.abs(given - tensor).max(initial=0.0) <= NEAR * max(1.0, np.abs(tensor).max(initial=0.0))
    ]
    if not found:
        raise AssignmentError(
            f"{where}: input: found an array of shape {np.shape(given)} that is the derivative in no layout, expected "
            f"it in one of {', '.join(LAYOUTS)}"
        )
    return np.asarray(found)
