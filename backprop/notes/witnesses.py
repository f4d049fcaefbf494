"""Ways to make a witness: by differences, by symbols, by a loop over entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import verification
from backprop.notes.formula import Witness
from jacobians.formulas import derive
from jacobians.function import INPUT
from jacobians.numerics.arrays import Array
from jacobians.numerics.float_errors import without_float_errors
from verification.problem import Problem
from verification.witnesses.symbolic import symbolic_value


def finite_differences(f: Callable[[Array], Any], x: Any, reshape: tuple[int, ...] | None = None) -> Witness:
    """Return the witness that differentiates f at x by central differences, row-major (m, n).

    Parameters
    ----------
    f : callable
        From an array of the shape of x to an array.
    x : array_like
    reshape : tuple of int, optional
        The shape of the claim, where it is not (m, n).

    Examples
    --------
    >>> finite_differences(lambda x: x**2, [3.0]).value().round(6)
    array([[6.]])
    """

    def value() -> Array:
        found = verification.finite_difference_jacobian(f, x, method="central")
        return found if reshape is None else found.reshape(reshape)

    return Witness("finite differences", value)


def symbolic(f: Callable[[Any], Any], x: Any, reshape: tuple[int, ...] | None = None) -> Witness:
    """Return the witness that traces f on symbols and differentiates entry by entry, row-major (m, n).

    Parameters as in :func:`finite_differences`.

    Examples
    --------
    >>> symbolic(lambda x: x**2, [3.0]).value()
    array([[6.]])
    """

    def value() -> Array:
        found = symbolic_matrix(f, x)
        return found if reshape is None else found.reshape(reshape)

    return Witness("symbolic", value, tolerance=1e-9)


@without_float_errors
def closed_form(formula: str, by: str, **values: Any) -> Witness:
    """Return the witness that derives a formula with letters for sizes, and evaluates it: row-major (m, n).

    Parameters
    ----------
    formula, by : str
        As for `jacobians.derive`.
    **values : array_like
        Of all variables of the formula; numbers are scalars.

    Examples
    --------
    >>> closed_form("x'*A*x", "x", A=np.eye(2), x=[1.0, 2.0]).value()
    array([[2., 4.]])
    """

    def value() -> Array:
        arrays = {name: np.asarray(given, dtype=float) for name, given in values.items()}
        sizes = {name: "×".join(map(str, array.shape)) or "scalar" for name, array in arrays.items()}
        d = derive(formula, by, declare=sizes)
        return d.evaluate(**arrays).reshape(-1, arrays[by].size)

    return Witness("closed form with letters for sizes", value)


def symbolic_matrix(f: Callable[[Any], Any], x: Any) -> Array:
    """Return the symbolic Jacobian of f at x as numbers; the expressions, which take far longer, are not formed.

    Examples
    --------
    >>> symbolic_matrix(lambda x: x**2, [3.0])
    array([[6.]])
    """
    return symbolic_value(Problem(f, x, INPUT, dtype=np.float64)).matrix


def entry_by_entry(
    shape: tuple[int, ...], entry: Callable[..., float], name: str = "entry by entry"
) -> Witness:
    """Return the witness that fills an array of `shape` by a formula for each entry.

    Parameters
    ----------
    shape : tuple of int
    entry : callable
        From the indices of an entry, from 0, to its value.

    Examples
    --------
    >>> entry_by_entry((2, 2), lambda i, j: float(i == j)).value()
    array([[1., 0.],
           [0., 1.]])
    """

    def value() -> Array:
        made = np.empty(shape)
        for index in np.ndindex(*shape):
            made[index] = entry(*index)
        return made

    return Witness(name, value, tolerance=1e-10)


def exact(name: str, value: Callable[[], Any], tolerance: float = 1e-10) -> Witness:
    """Return a witness by another exact way, such as a dense NumPy product or a count by loops."""
    return Witness(name, value, tolerance)


def matrix_product(*factors: Any) -> Array:
    """Return the product of matrices as printed, or say which shapes don't meet.

    Raises
    ------
    ValueError
        If the product can't be formed.

    Examples
    --------
    >>> matrix_product(np.ones((2, 1)), np.ones((2, 2)))
    Traceback (most recent call last):
    ...
    ValueError: 2×1 times 2×2
    """
    product = np.asarray(factors[0])
    for factor in factors[1:]:
        if product.ndim != 2 or factor.ndim != 2 or product.shape[1] != factor.shape[0]:
            shapes = ["×".join(map(str, shape)) for shape in (product.shape, factor.shape)]
            raise ValueError(" times ".join(shapes))
        product = product @ factor
    return product
