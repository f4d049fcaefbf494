"""The picture of one Jacobian, for notebooks and files."""

from __future__ import annotations

from jacobians import Jacobian
from jacobians.names import class_name
from jacobians.picture import Picture

__all__ = ["Picture", "picture"]


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
    from verification.optional_packages import require_extras

    if not isinstance(jacobian, Jacobian):
        raise TypeError(
            f"jacobian: found {class_name(jacobian)}, expected a Jacobian; wrap a matrix in Dense"
        )
    if jacobian.batch_shape:
        raise ValueError(f"jacobian: found batch_shape {jacobian.batch_shape}, expected one point")
    require_extras("report,cli", "matplotlib")
    from backprop.report.pictures import draw_jacobian  # matplotlib only where something is drawn

    return Picture(draw_jacobian(jacobian))
