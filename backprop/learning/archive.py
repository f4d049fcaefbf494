"""Arrays of an ``.npz`` file from anywhere: what it announces is checked before any of its data is read."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from jacobians.numerics.arrays import DEFAULT_MAX_BYTES, Array, format_bytes, read_only

MOST_EXPANSION = 100
"""How many times its size a file may unpack to; deflate reaches 1000 for zeros, and 2 for weights."""

ALWAYS_UNPACKED = 16 * 1024**2
"""Bytes that a file may unpack to whatever its own size."""

_STARTS_WITH = np.lib.format.magic(1, 0)


class ArchiveError(ValueError):
    """What a file holds is not what was written; the text says what was found."""


@dataclass(frozen=True)
class Header:
    """What an array of an archive is said to be.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return f"shape {self.shape} and dtype {self.dtype}"


def read_arrays(file: IO[bytes], accept: Callable[[Mapping[str, Header]], None]) -> dict[str, Array]:
    """Return the arrays of an ``.npz`` file, read-only.

    Sizes of the zip's directory and headers of the arrays are read first, so that no more is allocated than the file
    announces, at most 2 GiB and not more than a hundred times its own size; checksums are compared at the end.

    Parameters
    ----------
    file : binary file
    accept : callable
        Given the headers by name before any data is read; raises if the arrays are not those that are expected.

    Raises
    ------
    ArchiveError
        If it is no such file, is damaged, announces too much, or holds a name twice.
    """
    size = file.seek(0, 2)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = _entries(archive, size)
            headers = {}
            for name, entry in entries.items():
                with archive.open(entry) as data:
                    headers[name] = _header(data, name, entry.file_size)
            accept(headers)
            arrays = {}
            for name, entry in entries.items():
                with archive.open(entry) as data:
                    # as long as was announced: the last byte compares the checksum
                    arrays[name] = read_only(np.lib.format.read_array(data, allow_pickle=False))
            return arrays
    except ArchiveError:
        raise
    except Exception as error:
        # zipfile, zlib and NumPy raise a dozen kinds for damaged bytes, in their own words
        raise ArchiveError(type(error).__name__) from error


def _entries(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        name = entry.filename.removesuffix(".npy")
        if name in entries:
            raise ArchiveError(f"{name!r} is in it twice")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or entry.flag_bits & 1:
            raise ArchiveError(f"{name!r} is encrypted, or compressed by a method other than deflate")
        entries[name] = entry
    unpacked = sum(entry.file_size for entry in entries.values())
    most = min(DEFAULT_MAX_BYTES, max(MOST_EXPANSION * size, ALWAYS_UNPACKED))
    if unpacked > most:
        raise ArchiveError(
            f"its {format_bytes(size)} announce {format_bytes(unpacked)} of arrays, more than the {format_bytes(most)} "
            f"that are let in"
        )
    return entries


def _header(data: IO[bytes], name: str, size: int) -> Header:
    """Return the header of an array, whose data are as long as it says."""
    if data.read(len(_STARTS_WITH)) != _STARTS_WITH:
        raise ArchiveError(f"{name!r} is no array in NumPy's format 1.0")
    try:
        shape, _, dtype = np.lib.format.read_array_header_1_0(data)
    except Exception as error:  # of Python's tokens and syntax, and of NumPy's dtypes
        raise ArchiveError(f"the header of {name!r} says no shape and dtype") from error
    header = Header(tuple(shape), dtype)
    if dtype.hasobject:
        raise ArchiveError(f"{name!r} holds pickled objects")
    # Python's integers: a product of NumPy's may overflow
    count = 1
    for length in header.shape:
        count *= int(length)
    if min(header.shape, default=0) < 0 or data.tell() + count * dtype.itemsize != size:
        raise ArchiveError(f"{name!r} announces {header}, and has {format_bytes(size)}")
    return header
