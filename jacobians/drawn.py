"""How functions show themselves in notebooks: what they hold as a table, and on request a diagram."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from jacobians.markup import Html, html_table
from jacobians.names import class_name
from jacobians.numerics.arrays import Array, real_array
from jacobians.picture import Picture


class Drawn:
    """What :class:`jacobians.Function` shows of itself."""

    @property
    def parameters(self) -> dict[str, Array]:
        """The parameters by name, read-only."""
        return {}

    drawing: ClassVar[Callable[[Any, Any], str]]
    """Draws a function at a point; given by the package, whose graph knows what a function is made of."""

    def input_shape(self) -> tuple[int, ...] | None:
        """Return the shape of the inputs where the parameters tell it, or else None."""
        return None

    def picture(self, x: Any = None) -> Picture:
        """Return the function as a diagram: layers down the page, with their shapes, structures and multiplications.

        Beside a layer stand the multiplications by which one row goes through its Jacobian; where paths meet, as
        around a residual block, they are drawn apart.

        Parameters
        ----------
        x : array_like, optional
            The point; zeros by default, where the parameters tell how many inputs there are.

        Raises
        ------
        TypeError, ValueError
            If x is refused, or missing where it is needed.

        Examples
        --------
        >>> from jacobians import Affine, Sequential, Tanh
        >>> picture = Sequential(Affine([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), Tanh()).picture()
        >>> "Affine 3" in picture, "Dense 3×2" in picture, "6 ×" in picture
        (True, True, True)
        """
        if x is None:
            shape = self.input_shape()
            if shape is None:
                raise ValueError(
                    f"x: found none, expected a point, for {class_name(self)} takes inputs of several shapes; write "
                    f"picture(x)"
                )
            x = np.zeros(shape)
        return Picture(Drawn.drawing(self, real_array(x, "x", foreign="keep")))

    def _repr_html_(self) -> str:
        """Return the function and the shapes of its parameters as a table, for notebooks."""
        rows = [["function", class_name(self)]]
        rows += [[name, "×".join(map(str, np.shape(own))) or "1"] for name, own in self.parameters.items()]
        return html_table([], rows)


def linearization_html(values: tuple[Any, ...], jacobians: tuple[Any, ...]) -> Html:
    """Return what a linearization holds as a table: a row a layer, input side first."""
    rows = []
    for place, (value, jacobian) in enumerate(zip(values[1:], jacobians, strict=True)):
        m, n = jacobian.shape
        shape = "×".join(map(str, np.shape(value))) or "1"
        rows.append([str(place), shape, f"{m}×{n}", jacobian.label, f"{jacobian.storage:,}"])
    return html_table(["layer", "value", "Jacobian", "structure", "stored"], rows, numeric=(4,))
