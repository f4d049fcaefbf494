"""Data that ships inside the package: nothing is downloaded."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from jacobians.numerics.arguments import checked_instance
from jacobians.pickling import Pickled

DIGITS_SOURCE: Final = (
    "E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits (1998), "
    "UCI Machine Learning Repository, doi:10.24432/C50P49, test set"
)
DIGITS_LICENCE: Final = "CC BY 4.0"


@dataclass(frozen=True, eq=False)
class Digits(Pickled):
    """The handwritten digits of the UCI repository: 8×8 pixels each, flattened row by row.

    Attributes
    ----------
    images : numpy.ndarray of shape (1797, 64), float64
        Raw pixels: whole numbers from 0 (paper) to 16 (ink). Read-only.
    labels : numpy.ndarray of shape (1797,), int64
        The digit that was written, 0 to 9. Read-only.
    source, licence : str
        Who made the data, and under which licence they are shipped.

    Examples
    --------
    >>> digits = load_digits()
    >>> digits.images.shape, digits.labels[:5]
    ((1797, 64), array([0, 1, 2, 3, 4]))
    >>> digits.licence
    'CC BY 4.0'
    """

    images: NDArray[np.float64]
    labels: NDArray[np.int64]
    source: str = DIGITS_SOURCE
    licence: str = DIGITS_LICENCE

    def __post_init__(self) -> None:
        for name in ("images", "labels"):
            checked_instance(getattr(self, name), name, np.ndarray)

    @property
    def scaled(self) -> NDArray[np.float64]:
        """The images divided by 16: shape (1797, 64), float64 from 0 to 1, exact and read-only."""
        scaled = self.images / 16.0
        scaled.flags.writeable = False
        return scaled

    def __repr__(self) -> str:
        return f"Digits(images: {self.images.shape}, labels: {self.labels.shape}, licence: {self.licence})"


def load_digits() -> Digits:
    """Return the 1797 handwritten digits that are shipped inside the package.

    Returns
    -------
    Digits
        Images (1797, 64) with raw pixels 0 … 16, labels (1797,), source and licence. Pass ``.scaled`` to a
        network: its pixels lie between 0 and 1.

    Raises
    ------
    RuntimeError
        If the data file does not hold 1797 rows of 64 pixels and a label, so the installation is damaged.

    Examples
    --------
    >>> digits = load_digits()
    >>> float(digits.images.max()), float(digits.scaled.max())
    (16.0, 1.0)
    """
    with (files("backprop") / "data" / "digits.csv.gz").open("rb") as packed:
        text = gzip.decompress(packed.read()).decode("ascii")
    return parse_digits(text)


def parse_digits(text: str) -> Digits:
    """Return the digits written in `text`: a row an image, 64 pixels and the label, commas between.

    Parameters
    ----------
    text : str
        1797 rows of 65 whole numbers; pixels 0 … 16, labels 0 … 9.

    Returns
    -------
    Digits
        Images (1797, 64), labels (1797,).

    Raises
    ------
    RuntimeError
        If the rows, their lengths or the ranges are others.

    Examples
    --------
    >>> parse_digits("1,2,3")
    Traceback (most recent call last):
    ...
    RuntimeError: digits.csv.gz: found an array of shape (1, 3), expected (1797, 65); reinstall the package
    """
    try:
        table = np.loadtxt(text.splitlines(), delimiter=",", dtype=np.int64, ndmin=2)
    except ValueError as error:
        raise RuntimeError(
            f"digits.csv.gz: found rows that are not whole numbers ({error}), "
            f"expected 1797 rows of 65 of them; reinstall the package"
        ) from error
    if table.shape != (1797, 65):
        raise RuntimeError(
            f"digits.csv.gz: found an array of shape {table.shape}, expected (1797, 65); "
            f"reinstall the package"
        )
    pixels, labels = table[:, :64], table[:, 64].copy()
    if pixels.min() < 0 or pixels.max() > 16 or labels.min() < 0 or labels.max() > 9:
        raise RuntimeError(
            f"digits.csv.gz: found pixels {pixels.min()} … {pixels.max()} and labels {labels.min()} … "
            f"{labels.max()}, expected pixels 0 … 16 and labels 0 … 9; reinstall the package"
        )
    images = pixels.astype(np.float64)
    images.flags.writeable = False
    labels.flags.writeable = False
    return Digits(images=images, labels=labels)
