"""The picture of one Jacobian, for notebooks and files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from jacobians import Jacobian


@dataclass(frozen=True)
class Picture:
    """A drawing that a notebook shows by itself.

    Attributes
    ----------
    svg : str
        The drawing as SVG text.
    """

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the drawing as an .svg file, beside the target first and then renamed.

        Returns
        -------
        pathlib.Path
            The file.

        Raises
        ------
        ValueError
            If the name does not end in .svg.
        """
        target = Path(path)
        if target.suffix != ".svg":
            raise ValueError(f"path: found {target.name!r}, expected a name that ends in .svg")
        beside = target.with_name(f".{target.name}.part")
        beside.write_text(self.svg, encoding="utf-8")
        beside.replace(target)
        return target

    def __repr__(self) -> str:
        return f"<Picture: {len(self.svg):,} characters of SVG; a notebook shows it>"


def picture(jacobian: Jacobian) -> Picture:
    """Return the heat map of a Jacobian: red is positive, blue negative, grey exactly 0.

    Rows are outputs, columns are inputs (numerator layout, row-major vec). Of a large one evenly spaced rows are
    drawn and columns that share a pixel show their entry of largest magnitude; it is never expanded as a whole.

    Parameters
    ----------
    jacobian : Jacobian
        Of one point.

    Raises
    ------
    TypeError, ValueError
        If it is no Jacobian, or a batch.
    ImportError
        If matplotlib is missing: it comes with the extra ``report``.

    Examples
    --------
    >>> from jacobians.structures import Diagonal
    >>> picture(Diagonal([1.0, -2.0])).svg[:4]
    '<svg'
    """
    from backprop.report.extras import require_extras

    if not isinstance(jacobian, Jacobian):
        raise TypeError(
            f"jacobian: found {type(jacobian).__name__}, expected a Jacobian; wrap a matrix in Dense"
        )
    if jacobian.batch_shape:
        raise ValueError(f"jacobian: found batch_shape {jacobian.batch_shape}, expected one point")
    require_extras("matplotlib")
    from backprop.report.pictures import draw_jacobian  # matplotlib only where something is drawn

    return Picture(draw_jacobian(jacobian))
