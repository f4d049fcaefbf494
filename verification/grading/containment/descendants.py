"""All that descends from this process, wherever it went: counted, measured, killed.

On Linux a process that is a *subreaper* becomes the parent of every descendant whose own parent has ended, also
of those that made a session of their own. While it has no child, nothing of its descent is alive.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

_SET_DUMPABLE, _GET_DUMPABLE, _SET_SUBREAPER, _GET_SUBREAPER = 4, 3, 36, 37
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A line of the kernel's table of processes."""

    pid: int
    parent: int
    session: int
    alive: bool
    threads: int
    resident: int


def become_subreaper(on: bool = True) -> bool:
    """Ask the kernel for the orphans of this process; return whether it was a subreaper before."""
    libc = ctypes.CDLL(None, use_errno=True)
    before = ctypes.c_int(0)
    if not hasattr(libc, "prctl"):
        return False
    libc.prctl(_GET_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    libc.prctl(_SET_SUBREAPER, int(on), 0, 0, 0)
    return bool(before.value)


def hide_memory(hidden: bool = True) -> bool:
    """Refuse other processes of this user this process's memory; return whether it was hidden before."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "prctl"):
        return False
    before = int(libc.prctl(_GET_DUMPABLE, 0, 0, 0, 0)) == 0
    libc.prctl(_SET_DUMPABLE, int(not hidden), 0, 0, 0)
    return before


def table() -> list[Process]:
    """Return all processes that can be seen; empty where there is no /proc.

    Examples
    --------
    >>> import os, sys
    >>> os.getpid() in {process.pid for process in table()} or sys.platform != "linux"
    True
    """
    found = []
    for entry in _PROC.iterdir() if _PROC.is_dir() else ():
        name = entry.name
        if name.isdigit():
            try:
                line = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue  # it has ended
            fields = line.rpartition(")")[2].split()  # the name before may hold anything
            if len(fields) > 21:
                found.append(
                    Process(int(name), int(fields[1]), int(fields[3]), fields[0] not in "ZX", int(fields[17]),
                            int(fields[21]) * _PAGE)
                )  # fmt: skip
    return found


def is_stopped(pid: int) -> bool:
    """Return whether a process was halted by a signal."""
    with contextlib.suppress(OSError):
        line = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        return line.rpartition(")")[2].split()[0] in "Tt"
    return False


def descendants(ancestor: int) -> list[Process]:
    """Return the descendants of a process, parents before children; also those that have ended and wait.

    One that seems to have ended may live on in its threads, so that it, too, is worth a signal.
    """
    children: dict[int, list[Process]] = {}
    for process in table():
        children.setdefault(process.parent, []).append(process)
    found, queue = [], list(children.get(ancestor, ()))
    while queue:
        process = queue.pop()
        found.append(process)
        queue += children.get(process.pid, ())
    return found


def kill(pid: int) -> None:
    """Kill a process; one that has ended already is no error."""
    # the second error: it changed its user, which only a set-user-ID program can
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def kill_all(patience: float = 20.0) -> list[int]:
    """Kill all descendants of this process, which is a subreaper, and wait for their end.

    Parameters
    ----------
    patience : float
        Seconds after which it gives up; what the kernel holds back (a dead network drive) can't be killed.

    Returns
    -------
    list of int
        Those that are left: normally none.
    """
    end = time.monotonic() + patience
    while time.monotonic() < end:
        for process in descendants(os.getpid()):
            kill(process.pid)
        try:
            while os.waitpid(-1, os.WNOHANG)[0] != 0:
                pass
        except ChildProcessError:
            return []
        time.sleep(0.002)
    return [process.pid for process in descendants(os.getpid())]
