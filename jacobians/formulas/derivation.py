"""The door: from a formula's text to its derivative."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jacobians.formulas.context import Context
from jacobians.formulas.effort import bounded
from jacobians.formulas.formula import Derivative
from jacobians.formulas.nodes import Delta, Factor, Tensor, fresh
from jacobians.formulas.normal import close
from jacobians.formulas.tree import FormulaError
from jacobians.function import Function


@bounded()
def derive(formula: Any, by: Any, *, declare: Mapping[str, Any] | None = None) -> Derivative:
    """Return the derivative of a formula by one of its variables, in closed form with sizes as letters.

    Parameters
    ----------
    formula : str, callable, Function or sympy expression
        In a small language: ``x'*A*x``, ``A.*B``, ``X^-1``, ``norm2(X*w-y)^2``, with lines ``h = relu(W*x+b);`` before
        it. Small letters are columns and capitals matrices unless declared. Or NumPy code of named arrays, which runs
        once on arrays with letters for sizes; a network, whose parameters "0.W" are W0 here; a sympy expression.
    by : str
        The variable. ``"vech(X)"`` stands for the free entries of a symmetric X; ``"X"`` is always unconstrained.
    declare : mapping, optional
        Sizes and assumptions by name: ``{"W": "h×d", "l": "scalar", "S": "symmetric positive definite"}``.

    Returns
    -------
    Derivative

    Raises
    ------
    FormulaError, ShapeError
        If the text is not understood or sizes do not match; the sentence names the part and the way out. Both are
        ValueErrors.

    Notes
    -----
    Numerator layout and row-major vec, unless named otherwise; the gradient of a number is shown in the shape of the
    input. Rules of differentiation as in Magnus and Neudecker, *Matrix Differential Calculus*, in index form.

    Examples
    --------
    >>> print(derive("x'*A*x", "x"))
    (A + Aᵀ)·x
      gradient, in the shape of x: n×1
    >>> d = derive("W*x + b", "W", declare={"W": "h×d", "b": "h"})
    >>> d.matrix(vec="row"), d.matrix(vec="column")
    (I_h ⊗ xᵀ, xᵀ ⊗ I_h)
    >>> d.tensor("numerator")
    'T[i,j,k] = δ[i,k]·x[j]'
    >>> import numpy as np
    >>> print(derive(lambda W, x, b: np.tanh(W @ x + b), "x"))
    diag(1 − tanh(W·x + b)∘²)·W
      Jacobian m×n, numerator layout
    """
    if not isinstance(formula, str):
        formula, by, declare = _read(formula, by, declare)
    context = Context(formula, declare, by)
    name, half = context.variable(by)
    tensor = context.differentiated(context.value, name)
    if half:
        tensor = _by_free_entries(tensor, len(context.out), context)
    return Derivative(context, context.out, tensor, name, half)


def _read(formula: Any, by: Any, declare: Any) -> tuple[str, Any, Any]:
    """Return what is no text as text of the language."""
    if hasattr(formula, "free_symbols"):  # sympy's, if somebody loaded it
        from jacobians.formulas.reading_sympy import read_expression

        text, found = read_expression(formula, declare)
        return text, getattr(by, "name", by), found
    if isinstance(formula, Function):
        from jacobians.formulas.reading_functions import read_function

        return read_function(formula, by, declare)
    if callable(formula):
        from jacobians.formulas.reading_code import read_code

        text, found = read_code(formula, declare)
        return text, by, found
    raise TypeError(
        f'formula: found an object of type {type(formula).__name__}, expected text such as "x\'*A*x", NumPy code of '
        f"named arrays, a Function or a sympy expression"
    )


def _by_free_entries(tensor: Tensor, outputs: int, context: Context) -> Tensor:
    """Return G + Gᵀ − G∘I for the unconstrained gradient G: the derivative by an entry that stands twice."""
    if outputs:
        raise FormulaError(
            f"by: found vech(…) for {context.source!r}, which is no number, expected a formula of a number; derive "
            f"by the matrix instead"
        )
    i, j = fresh(2)
    diagonal = [
        t._replace(number=-t.number, factors=(*t.factors, Factor(Delta(tensor.sizes[0]), (i, j))))
        for t in tensor.at((i, j))
    ]
    return close([*tensor.at((i, j)), *tensor.at((j, i)), *diagonal], (i, j), tensor.sizes)
