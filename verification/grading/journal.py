"""Results as they come, in a file of lines: what is marked once is not marked again after a kill."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from verification.grading.answers import Fault
from verification.grading.results import SubmissionResult, submission_result
from verification.grading.submissions import Submission

SCHEMA = "explicit-jacobians/journal"


class Journal:
    """A file with a line for each result, opened for one marking; each line is on the disk before the next is made.

    Parameters
    ----------
    path : Path
        The file; it is made if it isn't there, and its results are read if it is.
    assignment : dict
        The hash of each file that the marks come from.

    Raises
    ------
    ValueError
        If the file is none of these, was made for another assignment, can't be written, or is in use.
    """

    def __init__(self, path: Path, assignment: Mapping[str, str]) -> None:
        self.path, self._lock = path, threading.Lock()
        self._head = {"schema": SCHEMA, "schema_version": 1, "made_from": dict(assignment)}
        self._found: dict[str, SubmissionResult] = {}

    def __enter__(self) -> Self:
        try:
            self._file = self.path.open("a+b")
        except OSError as error:
            raise ValueError(f"resume: {self.path} can't be written: {error.strerror}") from None
        try:
            self._hold()
            self._read()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def find(self, name: str, source: Submission | Fault, seed: int | None) -> SubmissionResult | None:
        """Return the result of a submission that was marked before, byte for byte the same; None for none."""
        return self._found.get(_key(name, source, seed))

    def add(self, source: Submission | Fault, result: SubmissionResult) -> None:
        """Write a result; one that staff must look at again is not kept."""
        if any(end in ("failed", "stopped") for end in result.endings) or not result.endings:
            return
        line = {"key": _key(result.name, source, result.seed), "result": result.to_dict()}
        with self._lock:
            self._write(line)

    def _hold(self) -> None:
        """Refuse a second marking into the same file: both would mark everything."""
        with contextlib.suppress(ImportError):
            import fcntl

            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ValueError(
                    f"resume: {self.path.name}: found another marking that writes to it, expected none"
                ) from None

    def _read(self) -> None:
        self._file.seek(0)
        data = self._file.read()
        whole, _, rest = data.rpartition(b"\n")
        if rest:  # the kill came in the middle of a line
            self._file.truncate(len(data) - len(rest))
        lines = whole.splitlines()
        if not lines:
            self._write(self._head)
            return
        try:
            head, *entries = map(json.loads, lines)
            if head["schema"] != SCHEMA:
                raise KeyError("schema")
            found = {entry["key"]: submission_result(entry["result"]) for entry in entries}
        except (ValueError, KeyError, TypeError):
            raise ValueError(
                f"resume: {self.path.name}: found no results of `verify grade`, expected these or a new file"
            ) from None
        if head != self._head:
            raise ValueError(
                f"resume: {self.path.name}: found results for another assignment, or for this one before it changed; "
                f"name a new file"
            )
        self._found = found

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _key(name: str, source: Submission | Fault, seed: int | None) -> str:
    digest = hashlib.sha256(json.dumps([name, seed]).encode())
    if isinstance(source, Submission):
        for path, data in sorted(source.files.items()):
            digest.update(json.dumps([path, len(data)]).encode())
            digest.update(data)
    else:
        digest.update(json.dumps([source.code, source.sentence]).encode())
    return digest.hexdigest()
