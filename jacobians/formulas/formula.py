"""A derivative as a value: its forms, facts and numbers."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from jacobians.equality import ByValue
from jacobians.formulas.conditions import conditions
from jacobians.formulas.context import Axes, Context
from jacobians.formulas.contraction import Numbers
from jacobians.formulas.derivation_steps import steps_of
from jacobians.formulas.derivative_facts import Facts
from jacobians.formulas.differentiation import expanded, spread_terms
from jacobians.formulas.effort import bounded
from jacobians.formulas.index_text import IndexText
from jacobians.formulas.matrix_form import MatrixForm, NoFormError
from jacobians.formulas.matrix_notation import Form
from jacobians.formulas.nodes import Tensor
from jacobians.formulas.numpy_code import EinsumCode
from jacobians.formulas.steps import Steps
from jacobians.formulas.text import size_text, text
from jacobians.formulas.tree import FormulaError, Node, count, parts_of
from jacobians.numerics.arguments import checked_integer, checked_option

VECS = ("row", "column")
LAYOUTS = ("numerator", "denominator")
TENSOR_LAYOUTS = ("numerator", "denominator", "mixed")
MOST_EXPANDED = 8
"""Up to how many terms the form that is multiplied out is tried beside the factored one."""
LARGE, MOST_OPENED = 3, 64
"""From how many axes on a bracket has no matrix notation, and up to how many terms such ones are multiplied out."""


class Derivative(Facts, ByValue):
    """The derivative of a formula as a formula; `derive` makes it.

    ``print(d)`` shows the gradient in the input's shape for a number, else the Jacobian matrix, and says which.

    Attributes
    ----------
    by, order, half : str, int, bool
        The variable; 1, or more after `derive`; whether it is by the free entries of a symmetric matrix.
    """

    def __init__(
        self, context: Context, out: Axes, tensor: Tensor, by: str, half: bool, order: int = 1
    ) -> None:
        self.order = order
        self._context, self._out, self.by, self.half = context, out, by, half
        first = sum(len(axis) for axis in out)
        rows, columns = context.shape(by)
        labels = tuple(range(first, first + len(rows) + len(columns)))
        self._in: Axes = tuple(axis for axis in (labels[: len(rows)], labels[len(rows) :]) if axis)
        self._sides = labels[: len(rows)], labels[len(rows) :]
        self._plain = tensor  # without what is assumed of the variables by which is differentiated
        self._tensor = context.assumed(tensor)
        self._chosen: dict[Any, Any] = {}

    @property
    def _compared(self) -> tuple[Any, ...]:
        said = self._context.declared
        return said, self._out, self.by, self.half, self.order, self._plain.digest

    def __reduce__(self) -> Any:
        # forms that were chosen are chosen again
        return Derivative, (self._context, self._out, self._plain, self.by, self.half, self.order)

    # --- forms -------------------------------------------------------------------------------------------------

    @bounded()
    def _tree(self, rows: tuple[int, ...], columns: tuple[int, ...], vec: str) -> Node | None:
        """Return the shorter of the factored form and the one multiplied out, or None without matrix form."""
        key = (rows, columns, vec)
        if key not in self._chosen:
            form = self._context.form(vec)
            found: list[Node] = []
            for tensor in (self._tensor, self._spread):
                if not found or tensor.digest != self._tensor.digest:
                    self._try(form, tensor, rows, columns, found)
            if not found and spread_terms(self._tensor, LARGE) <= MOST_OPENED:
                self._try(form, expanded(self._tensor, LARGE), rows, columns, found)
            best = found[0] if found else None
            if len(found) > 1 and count(found[1]) <= 0.75 * count(found[0]):
                best = found[1]
            self._chosen[key] = best
        return self._chosen[key]

    @staticmethod
    def _try(
        form: MatrixForm, tensor: Tensor, rows: tuple[int, ...], columns: tuple[int, ...], found: list[Node]
    ) -> None:
        with suppress(NoFormError):
            found.append(form.of(tensor, rows, columns))

    def matrix(self, vec: str = "row", layout: str = "numerator") -> Form:
        """Return the Jacobian matrix in matrix notation.

        Parameters
        ----------
        vec : str
            "row" or "column": how outputs and inputs that are matrices are stacked.
        layout : str
            "numerator" (outputs × inputs) or "denominator" (its transpose).

        Raises
        ------
        FormulaError
            If there is no matrix notation for it; `tensor` always has one. By vech(X) there is `gradient` alone.
        """
        tree = self._matrix_tree(vec, layout)
        if tree is None:
            raise FormulaError(
                f"matrix: found a derivative of {self._context.source!r} by {self.by} without matrix notation, "
                f"expected one that has it; print(d) and d.tensor() show its entries"
            )
        return Form(tree, self._context, vec)

    def _matrix_tree(self, vec: str, layout: str) -> Node | None:
        checked_option(vec, "vec", VECS)
        checked_option(layout, "layout", LAYOUTS)
        if self.half:
            raise FormulaError(
                f"matrix: found a derivative by vech({self.by}), whose row has no matrix notation, expected "
                f"d.gradient, the matrix whose vech it is"
            )
        step = 1 if vec == "row" else -1
        rows = tuple(label for axis in self._out[::step] for label in axis)
        columns = tuple(label for axis in self._in[::step] for label in axis)
        return self._tree(rows, columns, vec) if layout == "numerator" else self._tree(columns, rows, vec)

    @property
    def gradient(self) -> Form:
        """The gradient of a number in the shape of the input.

        Raises
        ------
        FormulaError
            If the formula is no number.
        """
        if self._out:
            raise FormulaError(
                f"gradient: found {self._context.source!r}, which is no number, expected one; use d.matrix() "
                f"or d.tensor()"
            )
        tree = self._tree(*self._sides, "row")
        if tree is None:
            raise FormulaError(
                f"gradient: found a gradient of {self._context.source!r} without matrix notation, expected one that "
                f"has it; d.tensor() shows its entries"
            )
        return Form(tree, self._context, "row")

    @bounded()
    def tensor(self, layout: str = "numerator") -> str:
        """Return the derivative in index notation.

        Parameters
        ----------
        layout : str
            "numerator" (out_shape + reversed in_shape), "mixed" (out_shape + in_shape) or "denominator" (in_shape +
            reversed out_shape).
        """
        checked_option(layout, "layout", TENSOR_LAYOUTS)
        left, right = (self._in, self._out) if layout == "denominator" else (self._out, self._in)
        axes = (*left, *(right if layout == "mixed" else right[::-1]))
        order = tuple(label for axis in axes for label in axis)
        return IndexText(self._context.form(), self._context.named).tensor(self._tensor, order)

    def latex(self) -> str:
        """Return what ``print(d)`` shows first as LaTeX.

        Raises
        ------
        FormulaError
            If there is no matrix notation for it.
        """
        return (self.matrix() if self._out else self.gradient).latex()

    def _repr_latex_(self) -> str | None:
        """Return the LaTeX of Jupyter; ``d.steps`` shows how it is found."""
        shown = self._shown
        return None if shown is None else shown._repr_latex_()

    @property
    def _shown(self) -> Form | None:
        """What ``print(d)`` shows first, if there is matrix notation for it."""
        tree = self._matrix_tree("row", "numerator") if self._out else self._tree(*self._sides, "row")
        return None if tree is None else Form(tree, self._context, "row")

    @bounded()
    def code(self) -> str:
        """Return einsum code of the derivative, of shape out_shape + in_shape (mixed layout).

        Its names are the variables, as arrays without axes of length 1, and the sizes as integers; lines and repeated
        parts are named in it, ``(h := …)``, where they are first read.

        Raises
        ------
        FormulaError
            If a function inside has an argument of more than two axes.
        """
        code = EinsumCode(self._context.form(), self._context.shapes, self._context.named).whole(self._tensor)
        if self.half:
            return f"({code})[np.triu_indices({size_text([self._tensor.sizes[0]])})]"
        grouped = any(len(axis) > 1 for axis in (*self._out, *self._in))
        return f"np.reshape({code}, ({', '.join(self.shape).replace('·', '*')},))" if grouped else code

    @property
    @bounded()
    def text(self) -> str:
        """What ``print(d)`` shows first: the formula alone."""
        shown = self._shown
        return self.tensor("mixed") if shown is None else repr(shown)

    @property
    def kind(self) -> str:
        """What `text` is: gradient, Jacobian or tensor, with its shape and conventions."""
        shape = self._context.shape_text(self.by)
        if self.half:
            return f"gradient by vech({self.by}), {self.by} symmetric: the vech of this matrix, {shape}"
        order = ", row-major vec" if self.stacks else ""
        free = f", {self.by} unconstrained" if "symmetric" in self._context.tags.get(self.by, ()) else ""
        if not self._out and self._tree(*self._sides, "row") is not None:
            return f"gradient, in the shape of {self.by}: {shape}{order}{free}"
        if self._matrix_tree("row", "numerator") is None:
            return f"tensor of shape out + in (mixed layout){free}"
        sizes = [self._tensor.sizes[label] for axis in self._out for label in axis]
        columns = [self._tensor.sizes[label] for axis in self._in for label in axis]
        order = ", row-major vec" if len(self._out) > 1 or len(self._in) > 1 else order
        return f"Jacobian {size_text(sizes)}×{size_text(columns)}, numerator layout{order}{free}"

    @bounded()
    def __str__(self) -> str:
        lines = [self.text, f"  {self.kind}"]
        if self.conditions:
            lines.append(f"  where {'; '.join(self.conditions)}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<derivative of {self._context.source!r} by {self.by}: {self.text}>"

    # --- facts -------------------------------------------------------------------------------------------------

    @property
    @bounded()
    def conditions(self) -> list[str]:
        """Where the derivative holds, such as ``X is invertible`` and ``x ≠ 0``."""
        form = self._context.form()
        before = [self._context.assumed(t) for t in (*self._context.lines.values(), self._context.value)]
        return conditions(form, *before, self._tensor)

    @property
    def stacks(self) -> bool:
        """Whether a vec stands in what is printed, whose order is then to be said."""
        shown = self._shown
        return shown is not None and any(n.op == "call" and n.value == "vec" for n in parts_of(shown.tree))

    @property
    def transposes(self) -> bool:
        """Whether a commutation matrix stands in what is printed."""
        shown = self._shown
        return shown is not None and any(node.op == "comm" for node in parts_of(shown.tree))

    @property
    def steps(self) -> Steps:
        """The derivation as it is written by hand: the rules that are used, the differential, and its identification.

        Raises
        ------
        FormulaError
            For a derivative of higher order; the steps of each order are those of its own formula.
        """
        return steps_of(self)

    @bounded()
    def terms(self) -> list[str]:
        """Return the terms of the derivative, multiplied out, as text: gradients of numbers, else in index notation."""
        form = self._context.form()
        sides = self._sides if not self._out else None
        found = []
        for term in self._spread.terms:
            one = Tensor(self._spread.sizes, (term,))
            try:
                found.append(
                    text(form.of(one, *sides))
                    if sides
                    else IndexText(form, self._context.named).tensor(one, range(len(one.sizes)))
                )
            except NoFormError:
                found.append(IndexText(form, self._context.named).tensor(one, range(len(one.sizes))))
        return found

    def lines(self) -> list[tuple[str, str, str, str]]:
        """Return all that can be printed in matrix notation: what it is, its text, LaTeX and NumPy code."""
        found: list[tuple[str, Form]] = []
        if not self._out and self._tree(*self._sides, "row") is not None:
            found.append((self.kind if self.half else f"gradient, in the shape of {self.by}", self.gradient))
        for vec in () if self.half else VECS:
            order = f", {vec}-major vec" if len(self.shape) > 1 or self.stacks else ""
            for layout in LAYOUTS:
                if self._matrix_tree(vec, layout) is not None:
                    found.append((f"Jacobian, {layout} layout{order}", self.matrix(vec, layout)))
        return [(kind, repr(form), form.latex(), form.code()) for kind, form in found]

    @property
    def _spread(self) -> Tensor:
        few = spread_terms(self._tensor) <= MOST_EXPANDED * 4
        spread = expanded(self._tensor) if few else self._tensor
        return spread if len(spread.terms) <= MOST_EXPANDED else self._tensor

    @bounded()
    def derive(self, by: str) -> Derivative:
        """Return the derivative of this derivative by a variable: Hessians, and so on; its outputs are out + in.

        Raises
        ------
        FormulaError
            If `by` is no variable of the formula.
        """
        name, half = self._context.variable(by)
        if half or self.half:
            raise FormulaError(
                "by: found vech(…) in a derivative of second order, expected the name of a variable"
            )
        tensor = self._context.differentiated(self._plain, name)
        return Derivative(self._context, (*self._out, *self._in), tensor, name, half, self.order + 1)

    def evaluate(self, **values: Any) -> np.ndarray[Any, np.dtype[Any]]:
        """Return the derivative's numbers, of shape out_shape + in_shape (mixed layout).

        Parameters
        ----------
        **values : array_like
            A value for each variable, of the shape that `sizes` names; sizes follow from them.

        Returns
        -------
        ndarray
            For vech(X), a vector of the entries on and below the diagonal, column by column.

        Raises
        ------
        FormulaError
            If a value is missing, or sizes do not match.
        """
        arrays, sizes = self._context.numbers(values)
        return self._shaped(Numbers(arrays, sizes).of(self._plain))

    def evaluate_without(self, term: int, **values: Any) -> np.ndarray[Any, np.dtype[Any]]:
        """Return what `evaluate` gives, without one of `terms`."""
        checked_integer(term, "term", least=0, most=len(self._spread.terms) - 1)
        arrays, sizes = self._context.numbers(values)
        rest = self._spread.terms[:term] + self._spread.terms[term + 1 :]
        return self._shaped(Numbers(arrays, sizes).of(Tensor(self._tensor.sizes, rest)))

    def _shaped(self, made: Any) -> np.ndarray[Any, np.dtype[Any]]:
        shape = [int(np.prod([made.shape[la] for la in axis])) for axis in (*self._out, *self._in)]
        made = np.reshape(made, shape)
        if self.half:
            rows, columns = np.triu_indices(made.shape[-1])
            made = made[..., columns, rows]  # down each column, from the diagonal
        return np.array(made)
