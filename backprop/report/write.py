"""Files of a report: JSON and CSV texts, and writing so that nothing is lost when it fails."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backprop.tables import csv_table
from jacobians.numerics.arguments import checked_flag, checked_instance, checked_mapping, checked_path

CSV_FIELDS = (
    "derivative", "points", "strategy", "multiplications", "additions", "flops", "counted_multiplications",
    "counted_additions", "seconds", "peak_elements", "result", "bracketing", "dead_units",
)  # fmt: skip


_DATA = "a report as plain data, as to_dict(report) returns it"


def to_json(data: Mapping[str, Any], *, ascii_only: bool = False) -> str:
    r"""Return a report's data as JSON.

    Raises
    ------
    TypeError, ValueError
        If it is no mapping of names, something in it has no form in JSON, or a number is not finite.

    Examples
    --------
    >>> to_json({"bracketing": "A·B"}), to_json({"n": 2**70}, ascii_only=True)
    ('{\n  "bracketing": "A·B"\n}\n', '{\n  "n": 1180591620717411303424\n}\n')
    """
    data = checked_mapping(data, "data", _DATA)
    try:
        return (
            json.dumps(data, indent=2, ensure_ascii=checked_flag(ascii_only, "ascii_only"), allow_nan=False)
            + "\n"
        )
    except (TypeError, ValueError) as error:
        raise type(error)(f"data: found what JSON has no form for ({error}), expected {_DATA}") from None


def to_csv(data: Mapping[str, Any]) -> str:
    """Return one line a derivative and strategy, with exact numbers, under a header line.

    Parameters
    ----------
    data : mapping
        What :func:`backprop.report.record.to_dict` returns.
    """
    if "derivatives" not in checked_mapping(data, "data", _DATA):
        raise ValueError(f"data: found no 'derivatives' in it, expected {_DATA}")
    return csv_table(CSV_FIELDS, csv_rows(data))


def csv_rows(data: Mapping[str, Any]) -> list[list[Any]]:
    """Return the cells of each derivative and strategy, in the order of `CSV_FIELDS`."""
    return [
        [{"derivative": own["title"], "points": own["points"], **alternative}[field] for field in CSV_FIELDS]
        for own in data["derivatives"]
        for alternative in own["alternatives"]
    ]


def require_writable(directory: Path, names: tuple[str, ...] = ()) -> None:
    """Raise unless files can be written into a directory, which need not exist; nothing is made.

    Raises
    ------
    OSError
        A sentence: the directory is a file or lies in one, must not be written to, or holds a directory where a
        file is to be.

    Examples
    --------
    >>> require_writable(Path("report"))
    """
    existing = directory
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise OSError(f"found the file {existing}, expected a directory; choose another")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise OSError(f"found {existing}, which may not be written to; choose another directory")
    for name in names:
        if (directory / name).is_dir():
            raise OSError(f"found a directory {directory / name}, expected a file or nothing; move it away")


def write_files(directory: str | os.PathLike[str], texts: Mapping[str, str]) -> list[Path]:
    """Write texts into a directory: all are written beside their places first, and only then renamed.

    A file is at any time the old one or the new one, whole. If writing fails, all are the old ones.

    Parameters
    ----------
    directory : path-like
        Made if it is not there.
    texts : mapping of str to str
        Texts by file name; written as UTF-8.

    Returns
    -------
    list of Path

    Raises
    ------
    OSError
        If the directory or a file can't be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as place:
    ...     [path.name for path in write_files(Path(place) / "new", {"a.txt": "α"})]
    ['a.txt']
    """
    directory = checked_path(directory, "directory")
    texts = checked_mapping(texts, "texts", "texts by file name")
    for name, text in texts.items():
        checked_instance(text, f"texts[{name!r}]", str)
    require_writable(directory, tuple(texts))
    directory.mkdir(parents=True, exist_ok=True)
    beside = {name: directory / f".{name}.{os.getpid()}.part" for name in texts}
    try:
        for name, text in texts.items():
            with beside[name].open("w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        for name, path in beside.items():
            path.replace(directory / name)
    finally:
        for path in beside.values():
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
    return [directory / name for name in texts]
