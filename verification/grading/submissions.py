"""What was handed in: a file, a notebook, a folder or an archive, read into memory as the bytes of a stranger.

Nothing is unpacked onto the disk before its names, kinds and sizes are known, and no link is followed out of it.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from verification.grading.answers import Fault, clean
from verification.grading.containment.loading import SINGLE
from verification.grading.results import labels

MIB = 1 << 20
LARGEST = {".py": MIB, ".ipynb": 8 * MIB}  # of a file that is handed in alone
LARGEST_PACKAGE = 8 * MIB  # of all files of a folder or an archive together
MOST_FILES = 1000
MOST_PARTS = 20  # of the path of a file
# a pipe isn't waited for, and no link followed, where there are such things
_FLAGS = os.O_RDONLY
for _name in ("O_NONBLOCK", "O_NOFOLLOW", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)
_LEFT_OUT = ("__pycache__", "__MACOSX")
_ARCHIVES = (".zip", ".tar.gz", ".tgz")


@dataclass(frozen=True)
class Submission:
    """The files that were handed in.

    Attributes
    ----------
    files : dict
        Their bytes, by their path with slashes.
    entry : str
        The one that is imported or, of a notebook, run.
    """

    files: Mapping[str, bytes]
    entry: str


class _RefusedError(Exception):
    """The sentence from "found" on."""


def read_submissions(
    submissions: Sequence[str | Path], kept: Sequence[Path], entry: str = ""
) -> dict[str, Submission | Fault]:
    """Return each, or why it can't be run: what a student handed in must not stop the marking of the others.

    Parameters
    ----------
    submissions : sequence of str or Path
        The files and folders.
    kept : sequence of Path
        Files that are nobody's submission: the reference.
    entry : str
        The file of a folder or an archive that is imported; by default the only one at its top.

    Raises
    ------
    ValueError
        If there are none, one isn't there, or one comes twice.
    """
    paths = [Path(path) for path in submissions]
    if not paths:
        raise ValueError("submissions: found none, expected at least one Python file")
    for path in paths:
        if not os.path.lexists(path):
            raise ValueError(f"submissions: {path} can't be read: No such file or directory")
    names = labels(paths)
    reference = _identities(kept)
    others = _identities(path for path in paths if not path.is_symlink())
    found: dict[str, Submission | Fault] = {}
    for name, path in zip(names, paths, strict=True):
        try:
            found[name] = _read(path, reference, others, entry)
        except _RefusedError as error:
            found[name] = Fault("failed", f"not marked: {clean(str(error), 300)}")
        except (OSError, RuntimeError) as error:  # the latter of a circle of links
            reason = getattr(error, "strerror", None) or "found a circle of links"
            found[name] = Fault("failed", f"not marked: the file can't be read: {reason}")
        except Exception as error:  # an archive can be broken in every way
            found[name] = Fault(
                "failed",
                f"not marked: the archive can't be read: {clean(f'{type(error).__name__}: {error}', 200)}",
            )
    return found


def _read(
    path: Path, reference: set[tuple[int, int]], others: set[tuple[int, int]], entry: str
) -> Submission:
    folder, target = path.parent.resolve(), path.resolve(strict=True)
    if path.is_symlink() and not target.is_relative_to(folder):
        raise _RefusedError("found a link that leaves the folder of the submission, expected a file")
    if path.is_symlink() and _identities([target]) & others:
        raise _RefusedError("found another name of another submission, expected a file of its own")
    if target.is_dir():
        return _package(_of_folder(target, reference), entry)
    suffix = next((end for end in _ARCHIVES if path.name.lower().endswith(end)), "")
    if suffix:
        data = _bytes_of(target, reference, LARGEST_PACKAGE)
        return _package(_of_zip(data) if suffix == ".zip" else _of_tar(data), entry)
    kind = ".ipynb" if path.suffix.lower() == ".ipynb" else ".py"
    name = "submission.ipynb" if kind == ".ipynb" else SINGLE
    return Submission({name: _bytes_of(target, reference, LARGEST[kind])}, name)


def _identities(paths: Iterable[Path]) -> set[tuple[int, int]]:
    """Return what a file is whatever its name: its device and its number there."""
    found = set()
    for path in paths:
        with contextlib.suppress(OSError):
            facts = path.stat()
            found.add((facts.st_dev, facts.st_ino))
    return found


def _bytes_of(path: Path, reference: set[tuple[int, int]], most: int) -> bytes:
    if _identities([path]) & reference:
        raise _RefusedError("found another name of the reference, expected a file of its own")
    descriptor = os.open(path, _FLAGS)
    with os.fdopen(descriptor, "rb") as stream:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise _RefusedError("found no ordinary file, expected Python code")
        if facts.st_size > most:
            raise _RefusedError(f"found {facts.st_size:,} bytes, expected at most {most:,}")
        return stream.read(most)


# --- folders and archives ---------------------------------------------------------------------------------


class _Files:
    """Files by their path; each is let in by its name and size before it is read."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.size = 0

    def takes(self, name: str, size: int) -> bool:
        """Return whether a file is wanted; raise if it, or all of them, may not be."""
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or "\\" in name or "\0" in name or not parts:
            raise _RefusedError(f"found the path {name!r}, expected one inside the submission")
        if len(parts) > MOST_PARTS or any(len(os.fsencode(part)) > 255 for part in parts):
            raise _RefusedError(f"found a path of {len(parts)} parts or a name that is too long")
        if any(part.startswith(".") or part in _LEFT_OUT for part in parts):
            return False
        self.size += size
        if self.size > LARGEST_PACKAGE:
            raise _RefusedError(
                f"found more than {LARGEST_PACKAGE:,} bytes in it, expected at most that many"
            )
        if len(self.files) >= MOST_FILES:
            raise _RefusedError(f"found more than {MOST_FILES} files, expected at most that many")
        path = PurePosixPath(name)
        if str(path) in self.files or any(str(parent) in self.files for parent in path.parents):
            raise _RefusedError(f"found the path {name!r} twice, expected every file once")
        return True

    def add(self, name: str, data: bytes, size: int) -> None:
        """Take a file, which may not be longer than it was announced to be."""
        if len(data) > size:
            raise _RefusedError(f"found more bytes in {name!r} than it announces")
        self.files[str(PurePosixPath(name))] = data


def _of_folder(root: Path, reference: set[tuple[int, int]]) -> dict[str, bytes]:
    files, seen = _Files(), 0
    for directory, inner, names in os.walk(root, followlinks=False):
        inner[:] = sorted(name for name in inner if not name.startswith(".") and name not in _LEFT_OUT)
        for name in [*inner, *sorted(names)]:
            seen += 1
            path = Path(directory) / name
            place = path.relative_to(root).as_posix()
            if seen > 10 * MOST_FILES:
                raise _RefusedError(f"found more than {10 * MOST_FILES} files and folders, expected fewer")
            if path.is_symlink():
                raise _RefusedError(f"found the link {place!r}, expected files alone")
            if name in inner:
                continue
            size = path.lstat().st_size
            if files.takes(place, size):
                files.add(place, _bytes_of(path, reference, LARGEST_PACKAGE), LARGEST_PACKAGE)
    return files.files


def _of_zip(data: bytes) -> dict[str, bytes]:
    files = _Files()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if len(archive.infolist()) > 10 * MOST_FILES:
            raise _RefusedError(f"found more than {10 * MOST_FILES} entries, expected fewer")
        for entry in archive.infolist():
            mode = entry.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _RefusedError(f"found {entry.filename!r}, a link or a device, expected files alone")
            if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack at once
                raise _RefusedError(
                    f"found {entry.filename!r} packed in a rare way, expected an ordinary zip"
                )
            if entry.flag_bits & 1:
                raise _RefusedError(f"found {entry.filename!r} encrypted, expected files that can be read")
            if not entry.is_dir() and files.takes(entry.filename, entry.file_size):
                with archive.open(entry) as stream:
                    files.add(entry.filename, stream.read(entry.file_size + 1), entry.file_size)
    return files.files


def _of_tar(data: bytes) -> dict[str, bytes]:
    most, files = 2 * LARGEST_PACKAGE, _Files()
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        plain = stream.read(most + 1)  # no more than that is ever unpacked
    if len(plain) > most:
        raise _RefusedError(f"found more than {most:,} bytes in it, expected at most {LARGEST_PACKAGE:,}")
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
        for entry in archive:
            name = entry.name.removeprefix("./")
            if entry.isdir():
                continue
            if not entry.isreg() or entry.issparse():
                raise _RefusedError(f"found {name!r}, a link or a device, expected files alone")
            if files.takes(name, entry.size):
                inside = archive.extractfile(entry)
                assert inside is not None
                files.add(name, inside.read(entry.size + 1), entry.size)
    return files.files


def _package(files: dict[str, bytes], entry: str) -> Submission:
    """Return a submission of several files; a folder that holds all of them is left out of their paths."""
    if not files:
        raise _RefusedError("found no ordinary file, expected Python code")
    while entry not in files and files and not any(_is_code(name) for name in files):
        tops = {name.partition("/")[0] for name in files}
        if len(tops) != 1:
            break
        files = {name.partition("/")[2]: data for name, data in files.items()}
    held = ", ".join(sorted(files)[:10]) or "nothing"
    if entry and entry not in files:
        raise _RefusedError(f"found no {entry} in it, expected that file; it holds {held}")
    choices = [name for name in files if _is_code(name)]
    if not entry and len(choices) != 1:
        raise _RefusedError(
            f"found {len(choices)} files of code at its top, expected one, or an entry that the assignment names; "
            f"it holds {held}"
        )
    return Submission(files, entry or choices[0])


def _is_code(name: str) -> bool:
    return "/" not in name and name.endswith((".py", ".ipynb"))
