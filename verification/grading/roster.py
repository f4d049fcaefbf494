"""Who handed in what: a roster of ids, and the seed of each student's own points."""

from __future__ import annotations

import csv
import hashlib
import hmac
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any

from jacobians.numerics.arguments import checked_instance, checked_list, checked_path

LEAST_SECRET = 16  # bytes
LARGEST = 16 << 20


@dataclass(frozen=True)
class Student:
    """A line of a roster.

    Attributes
    ----------
    id : str
        From the roster: nothing that a student chooses.
    submission : str
        The name of the file or folder, with or without its ending.
    columns : dict
        Everything else: what a gradebook wants back.
    """

    id: str
    submission: str
    columns: Mapping[str, str]


def checked_roster(roster: Any) -> list[Student]:
    """Return a roster, or refuse what is none."""
    given = checked_list(roster, "roster", "a list of Student")
    return [checked_instance(one, f"roster[{place}]", Student) for place, one in enumerate(given)]


def read_roster(path: str | Path) -> list[Student]:
    """Read a roster: CSV with a head, and the columns ``id`` and ``submission`` among others.

    Raises
    ------
    ValueError
        If it can't be read, a column is missing, a line is short of them, or an id or submission comes twice.
    """
    path = checked_path(path, "roster")
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(
                f"roster: {path.name}: found more than {LARGEST:,} bytes, expected a table of students"
            )
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ValueError(
            f"roster: found {path}, which can't be read ({error.strerror}), expected a table in CSV"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"roster: {path.name}: found no text in UTF-8, expected CSV") from None
    reader = csv.DictReader(io.StringIO(text))
    try:
        columns, rows = reader.fieldnames or (), list(reader)
    except csv.Error as error:
        raise ValueError(
            f"roster: {path.name}: line {reader.line_num + 1}: can't be read ({error}), expected CSV"
        ) from None
    for name in ("id", "submission"):
        if name not in columns:
            raise ValueError(
                f"roster: {path.name}: found the columns {', '.join(columns) or 'nothing'}, expected id and submission "
                f"among them"
            )
    students = []
    for number, row in enumerate(rows, 2):
        one, submission = ((row[name] or "").strip() for name in ("id", "submission"))
        if not one or not submission:
            raise ValueError(
                f"roster: {path.name}: line {number}: found no id or no submission, expected both"
            )
        more = {key: value or "" for key, value in row.items() if key not in ("id", "submission", None)}
        students.append(Student(one, submission, more))
    for name, values in (
        ("id", [student.id for student in students]),
        ("submission", [student.submission for student in students]),
    ):
        twice = (
            next((value for value in values if values.count(value) > 1), None)
            if len(set(values)) < len(values)
            else None
        )
        if twice is not None:
            raise ValueError(
                f"roster: {path.name}: found the {name} {twice!r} twice, expected every one once"
            )
    return students


def students_of(submissions: Mapping[str, Path], roster: Iterable[Student]) -> dict[str, Student]:
    """Return the student of each submission that the roster knows.

    A submission belongs to the line that names a folder that it lies in, the outermost first, or else to the one that
    names it, with or without ending: what is in a folder is named by the student. Folders that all of several
    submissions lie in are nobody's.

    Parameters
    ----------
    submissions : mapping of str to Path
        Where each lies, by its name in the reports.
    roster : iterable of Student
        The students.

    Examples
    --------
    >>> roster = [Student("7", "ann", {}), Student("8", "bob.py", {})]
    >>> paths = {name: Path(name) for name in ("ann/hw1.py", "bob.py", "eve.py", "ann/bob.py")}
    >>> {name: student.id for name, student in students_of(paths, roster).items()}
    {'ann/hw1.py': '7', 'bob.py': '8', 'ann/bob.py': '7'}
    """
    by_name = {student.submission: student for student in roster}
    folders = {name: path.parent.parts for name, path in submissions.items()}
    levels = takewhile(lambda level: len(set(level)) == 1, zip(*folders.values(), strict=False))
    shared = len(list(levels)) if len(folders) > 1 else 0
    found = {}
    for name, path in submissions.items():
        inner = folders[name][shared:]
        whole = PurePosixPath(*inner, path.name).as_posix()
        for key in (*inner, whole, path.name, path.name.partition(".")[0]):
            if key in by_name:
                found[name] = by_name[key]
                break
    return found


def seed_of(student: str, secret: bytes) -> int:
    """Return the seed of a student's points: 64 bits of HMAC-SHA256(secret, id), that nobody can find without it.

    Examples
    --------
    >>> seed_of("7", b"a secret of the staff's") == seed_of("7", b"a secret of the staff's")
    True
    >>> seed_of("7", b"a secret of the staff's") == seed_of("8", b"a secret of the staff's")
    False
    """
    return int.from_bytes(hmac.digest(secret, student.encode(), hashlib.sha256)[:8], "big")


def read_secret(path: str | Path) -> bytes:
    """Return the secret that seeds come from.

    Raises
    ------
    ValueError
        If it can't be read or is short.
    """
    path = checked_path(path, "secret")
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise ValueError(
            f"secret: found {path}, which can't be read ({error.strerror}), expected a file of random bytes"
        ) from None
    if len(secret) < LEAST_SECRET:
        raise ValueError(
            f"secret: found {len(secret)} bytes, expected at least {LEAST_SECRET}; make one with "
            f"python -c 'import secrets; print(secrets.token_hex())'"
        )
    return secret
