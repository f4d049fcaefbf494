"""What is known of a derivative beside its forms: the formula, its variables, and their sizes."""

from __future__ import annotations

from jacobians.formulas.context import Axes, Context
from jacobians.formulas.nodes import Tensor
from jacobians.formulas.sizes import Shapes
from jacobians.formulas.text import size_text
from jacobians.formulas.tree import Program
from jacobians.numerics.arguments import checked_instance, checked_option


class Facts:
    """The formula that was derived, by what, and all sizes."""

    _context: Context
    _out: Axes
    _in: Axes
    _tensor: Tensor
    by: str
    half: bool
    order: int

    @property
    def sizes(self) -> dict[str, tuple[str, ...]]:
        """The sizes of all variables, as letters and numbers: () for a number, ("n",) for a vector."""
        names = self._context.shapes.variables
        return {name: tuple(size_text(size) for size in self._context.shape(name) if size) for name in names}

    @property
    def free_sizes(self) -> set[str]:
        """The letters of sizes that no variable has, such as n in ``sum(ones(n))*x``; `evaluate` takes them."""
        return self._context.free_sizes

    @property
    def shape(self) -> tuple[str, ...]:
        """The shape of what `evaluate` gives, out_shape + in_shape, in letters and numbers."""
        if self.half:
            side = size_text([self._tensor.sizes[0]])
            return (str(int(side) * (int(side) + 1) // 2) if side.isdigit() else f"{side}·({side} + 1)/2",)
        return tuple(
            size_text([self._tensor.sizes[label] for label in axis]) for axis in (*self._out, *self._in)
        )

    @property
    def formula(self) -> str:
        """The text that was derived."""
        return self._context.source

    @property
    def program(self) -> Program:
        """The tree of that text."""
        return self._context.program

    @property
    def shapes(self) -> Shapes:
        """The sizes of all parts of the formula."""
        return self._context.shapes

    @property
    def outputs(self) -> int:
        """How many of the axes of `shape` are the formula's own."""
        return len(self._out)

    def axes(self, name: str) -> tuple[tuple[str | int, ...], tuple[str | int, ...]]:
        """Return a variable's sizes of rows and columns, () for 1."""
        return self._context.shape(checked_option(name, "name", self.shapes.names))

    def assumptions(self, name: str) -> frozenset[str]:
        """Return what was declared of a variable."""
        return self._context.tags.get(checked_option(name, "name", self.shapes.names), frozenset())

    def fits(self, program: Program) -> None:
        """Refuse a formula with names that this one has not, or whose sizes do not match.

        Raises
        ------
        FormulaError
        """
        self._context.fits(checked_instance(program, "program", Program))
