"""Vectors as images: rows of pixels, and a picture where one is asked for."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from jacobians.numerics.arguments import checked_shape
from jacobians.numerics.arrays import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def as_image(values: Array, shape: tuple[int, ...]) -> Array:
    """Return entries as a copy in the shape (rows, columns), row by row.

    Raises
    ------
    ValueError
        If the shape has not two axes, or another number of entries.

    Examples
    --------
    >>> as_image(np.arange(6.0), (2, 3))
    array([[0., 1., 2.],
           [3., 4., 5.]])
    """
    shape = checked_shape(shape, "shape", expected=f"(rows, columns) with {values.size} entries")
    if len(shape) != 2 or math.prod(shape) != values.size:
        raise ValueError(
            f"shape: found {shape}, expected (rows, columns) with {values.size} entries; the digits are (8, 8)"
        )
    return values.reshape(shape).copy()


def picture(images: dict[str, Array], *, signed: Collection[str] = ()) -> Figure:
    """Return a matplotlib Figure with one image beside the other; it is not shown and not kept by pyplot.

    Parameters
    ----------
    images : dict of str to numpy.ndarray of shape (rows, columns)
        By title.
    signed : collection of str
        The titles of those with red for positive and blue for negative entries, 0 white; the others go from white
        to black.

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> figure = picture({"a digit": np.eye(8)})
    >>> [axes.get_title() for axes in figure.axes]
    ['a digit']
    """
    figure = _figure(3 * len(images), 3.2)
    for axes, (title, image) in zip(
        figure.subplots(1, len(images), squeeze=False)[0], images.items(), strict=True
    ):
        if title in signed:
            limit = float(np.abs(image).max()) or 1.0
            axes.imshow(image, cmap="RdBu_r", vmin=-limit, vmax=limit)
        else:
            axes.imshow(image, cmap="gray_r")
        axes.set_title(title)
        axes.set_xticks([])
        axes.set_yticks([])
    return figure


def curves(lines: Mapping[str, Sequence[float]], label: str, first: int = 0) -> Figure:
    """Return a matplotlib Figure with a line for each series over whole numbers, such as losses over epochs.

    Parameters
    ----------
    lines : mapping of str to sequence of float
        By name; the empty ones are left out.
    label : str
        What is counted.
    first : int
        The number that the first entries belong to.

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> figure = curves({"loss": [1.0, 0.5], "validation loss": []}, "epoch")
    >>> len(figure.axes[0].lines), figure.axes[0].get_xlabel()
    (1, 'epoch')
    """
    figure = _figure(6, 3.5)
    axes = figure.subplots()
    for name, values in lines.items():
        if values:
            axes.plot(range(first, first + len(values)), values, label=name)
    axes.set_xlabel(label)
    axes.legend()
    return figure


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "figure: matplotlib is not installed, expected the extra 'report': "
            "pip install 'explicit-jacobians[report]'"
        ) from error
    return Figure(figsize=(width, height), layout="constrained")
