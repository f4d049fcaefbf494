"""Removing what a submission left on the disk, however deep and whatever rights it took away."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path


def remove_tree(base: str | os.PathLike[str]) -> bool:
    """Remove a directory and all below it; return whether it is gone.

    No step goes deeper than one level: the directories inside a directory are moved up beside it and wait there
    for their turn, so that neither Python's stack nor the length of a path limits the depth. Links are removed, never
    followed. What can't be removed is left.

    Examples
    --------
    >>> import tempfile
    >>> base = tempfile.mkdtemp()
    >>> os.makedirs(os.path.join(base, "a", "b"))
    >>> remove_tree(base)
    True
    """
    try:
        root = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return not os.path.lexists(base)
    try:
        waiting, tried, number = _empty(root, root, 0)
        while waiting:
            name = waiting.pop()
            found, number = _remove_one(root, name, number)
            waiting += [fresh for fresh in found if fresh not in tried]
            tried |= set(found)
    finally:
        os.close(root)
    with contextlib.suppress(OSError):
        Path(base).rmdir()
    return not os.path.lexists(base)


def _remove_one(root: int, name: str, number: int) -> tuple[list[str], int]:
    """Remove a directory that lies in the root; return those that were in it, which lie in the root now."""
    found: list[str] = []
    with contextlib.suppress(OSError):
        os.chmod(name, stat.S_IRWXU, dir_fd=root)
        inside = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=root)
        try:
            found, _, number = _empty(inside, root, number)
        finally:
            os.close(inside)
        os.rmdir(name, dir_fd=root)
    return found, number


def _empty(directory: int, root: int, number: int) -> tuple[list[str], set[str], int]:
    """Unlink the files of a directory, and move its directories to the root under names of numbers."""
    found: list[str] = []
    with os.scandir(directory) as entries:
        names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in names:
        with contextlib.suppress(OSError):
            if not is_directory:
                os.unlink(name, dir_fd=directory)
                continue
            number += 1
            fresh = f".removed-{number}"
            with contextlib.suppress(OSError):  # a directory without rights can't be moved into another
                os.chmod(name, stat.S_IRWXU, dir_fd=directory)
            os.rename(name, fresh, src_dir_fd=directory, dst_dir_fd=root)
            found.append(fresh)
    return found, set(found), number
