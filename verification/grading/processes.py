"""Start submissions in processes of their own, and make sure that nothing of them is left.

Three processes stand one below the other: the marking, which alone knows the expected answers; for each submission
a supervisor, which is told when its parent dies and is the parent of all that the submission leaves behind; and the
submission.
"""

from __future__ import annotations

import json
import os
import selectors
import site
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from verification.grading.containment import descendants as family
from verification.grading.containment.removal import remove_tree
from verification.grading.limits import Limits

GRACE = 20.0  # seconds that a supervisor may take beyond the submission's time
START = 120.0  # seconds that it may take until it is up, on a machine that is loaded: they are nobody's
LARGEST_HEAD = 1 << 20
_HERE = Path(__file__).resolve().parent
_START = (
    "import sys; sys.path.insert(0, sys.argv[1]); from containment.{0} import main; del sys.path[0]; main()"
)
_SYSTEM = ("/usr", "/lib", "/lib64", "/lib32", "/bin", "/nix/store", "/System/Library")
# of /etc only what programs look up; what root keeps there is nobody's business
_SETTINGS = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ld.so.preload", "localtime", "timezone", "nsswitch.conf",
             "passwd", "group", "mime.types", "fonts", "alternatives")  # fmt: skip
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


class ContainmentError(RuntimeError):
    """A submission could not be started as it should be; nothing is wrong with the submission."""


@dataclass(frozen=True)
class Ending:
    """How a submission's process ended.

    Attributes
    ----------
    end : str
        "exit" by itself; "time", "memory", "processes", "output" or "answers" when a limit was passed; "stopped"
        on request; "supervisor" when its supervisor was killed or stopped, which only it can have done.
    status : int or None
        The exit status, negative for a signal.
    seconds, cpu_seconds : float
        What it took.
    printed : int
        The bytes that it printed.
    output : str
        The first of them.
    left_behind : int
        Processes of it that were alive at the end, and were killed.
    answers : bytes
        What it answered, unchecked.
    """

    end: str
    status: int | None = None
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    printed: int = 0
    output: str = ""
    left_behind: int = 0
    answers: bytes = b""


class Processes:
    """A context in which submissions can be run, from several threads; at its end none of them is alive.

    While it lasts this process is the parent of every orphan among its descendants, and its memory can't be read by
    other processes of the same user.

    Parameters
    ----------
    confine : bool
        Whether Landlock and a filter of system calls are to be used where the kernel has them.

    Raises
    ------
    ContainmentError
        Where there are no process groups and limits: on Windows.
    """

    def __init__(self, *, confine: bool = True) -> None:
        if os.name != "posix":
            raise ContainmentError(
                f"grading: found {sys.platform}, expected Linux or another POSIX system: "
                f"submissions can't be contained here; mark in a Linux container or in WSL"
            )
        self.confine = confine
        self._lock = threading.Lock()
        self._supervisors: dict[int, subprocess.Popen[bytes]] = {}
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        self._was_subreaper, self._was_hidden = family.become_subreaper(), family.hide_memory()
        self._there_before = {process.pid for process in family.table() if process.parent == os.getpid()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._sweep()
        family.become_subreaper(self._was_subreaper)
        family.hide_memory(self._was_hidden)

    def stop(self) -> None:
        """End all that runs, and start nothing more."""
        with self._lock:
            self._stopped.set()
            for supervisor in self._supervisors.values():
                if supervisor.stdin is not None and not supervisor.stdin.closed:
                    supervisor.stdin.close()

    def run(
        self,
        files: Mapping[str, bytes],
        request: bytes,
        limits: Limits,
        *,
        largest: int,
        readable: Sequence[str],
    ) -> Ending:
        """Run one submission to its end, and to the end of all that it started.

        Parameters
        ----------
        files : dict
            What was handed in, by the path inside the submission's directory.
        request : bytes
            What its runner reads on standard input.
        limits : Limits
            What it may take.
        largest : int
            The most bytes that it may answer.
        readable : sequence of str
            The directories that it may read, besides those of the system.

        Raises
        ------
        ContainmentError
            If the submission could not be started.
        """
        base = Path(tempfile.mkdtemp(prefix="verify-"))
        try:
            directory = base / "submission"
            directory.mkdir()
            for name, data in files.items():
                (directory / name).parent.mkdir(parents=True, exist_ok=True)
                (directory / name).write_bytes(data)
            (base / "request").write_bytes(request)
            order = {
                "command": [sys.executable, "-I", "-B", "-c", _START.format("runner"), str(_HERE)],
                "base": str(base),
                "directory": str(directory),
                "request": str(base / "request"),
                "environment": _environment(directory),
                "readable": [
                    *_SYSTEM,
                    *(f"/etc/{name}" for name in _SETTINGS),
                    *_DEVICES,
                    *readable,
                    str(_HERE),
                ],
                "writable": [str(directory), "/dev/null"],
                "confine": self.confine,
                "limits": limits.to_order(largest, _tasks_of_user()),
            }
            return self._supervise(order, limits.seconds + GRACE)
        finally:
            remove_tree(base)

    def _supervise(self, order: dict[str, Any], patience: float) -> Ending:
        with tempfile.TemporaryFile() as complaints:
            command = [sys.executable, "-I", "-S", "-c", _START.format("supervisor"), str(_HERE)]
            # under the lock, so that no sweep meets a supervisor that isn't registered
            with self._lock:
                if self._stopped.is_set():
                    return Ending("stopped")
                supervisor = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=complaints,
                    start_new_session=True,
                    env={},
                )
                self._supervisors[supervisor.pid] = supervisor
            assert supervisor.stdin is not None
            assert supervisor.stdout is not None
            try:
                self._tell(supervisor, json.dumps(order).encode() + b"\n")
                text, why = _read_all(
                    supervisor.stdout.fileno(), patience, order["limits"]["answers"] + LARGEST_HEAD
                )
                stopped = why == "time" and family.is_stopped(supervisor.pid)
            finally:
                supervisor.kill()
                supervisor.wait()
                with self._lock:
                    del self._supervisors[supervisor.pid]
                    supervisor.stdin.close()
                    supervisor.stdout.close()
            up, _, text = text.partition(b"\n")
            head, newline, answers = text.partition(b"\n")
            if not newline:
                self._sweep()
                if self._stopped.is_set():
                    return Ending("stopped")
                complaints.seek(0)
                said = complaints.read(2000).decode("utf-8", "replace").strip()
                if said:
                    raise ContainmentError(
                        f"grading: the supervisor of a submission failed: {said.splitlines()[-1]}"
                    )
                if not up or (why == "time" and not stopped):
                    raise ContainmentError(
                        f"grading: the supervisor of a submission {'said nothing' if up else 'was not up'} "
                        f"in {patience if up else START:g} s; this machine is too slow or too loaded"
                    )
                return Ending("supervisor")
        result = json.loads(head)
        if result["failure"]:
            raise ContainmentError(f"grading: a submission could not be started: {result['failure']}")
        known = ("end", "status", "seconds", "cpu_seconds", "printed", "output", "left_behind")
        return Ending(**{name: result[name] for name in known}, answers=answers)

    def _tell(self, supervisor: subprocess.Popen[bytes], line: bytes) -> None:
        assert supervisor.stdin is not None
        try:
            supervisor.stdin.write(line)
            supervisor.stdin.flush()
        except (BrokenPipeError, ValueError):  # the latter when it was closed by stop()
            return

    def _sweep(self) -> None:
        """Kill what came to this process as an orphan because a submission killed its supervisor.

        A submission's processes can't enter the session of this process, so that those in it are somebody else's.
        """
        session = os.getsid(0) if hasattr(os, "getsid") else -1
        end = time.monotonic() + GRACE
        while time.monotonic() < end:
            with self._lock:
                strays = [
                    process.pid
                    for process in family.table()
                    if process.parent == os.getpid()
                    and process.session != session
                    and process.pid not in self._supervisors
                    and process.pid not in self._there_before
                ]
                for pid in strays:
                    for process in family.descendants(pid):
                        family.kill(process.pid)
                    family.kill(pid)
                    try:
                        os.waitpid(pid, 0)
                    except ChildProcessError:
                        continue
            if not strays:
                return


def readable_directories(toolkit: bool) -> list[str]:
    """Return the directories that the interpreter, its packages and NumPy are in.

    Parameters
    ----------
    toolkit : bool
        Whether the packages of this project are among them where they lie elsewhere.

    Examples
    --------
    >>> import sys
    >>> sys.prefix in readable_directories(False)
    True
    """
    found = [sys.prefix, sys.base_prefix, sys.exec_prefix, *site.getsitepackages()]
    found.append(str(Path(np.__file__).resolve().parents[1]))
    if toolkit:
        import jacobians

        found.append(str(Path(jacobians.__file__).resolve().parents[1]))
    found += [os.path.realpath(path) for path in found]
    return sorted(set(found))


def _environment(directory: Path) -> dict[str, str]:
    place = str(directory)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": place,
        "TMPDIR": place,
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "MALLOC_ARENA_MAX": "2",  # each takes 64 MiB of address space, one for a thread
        **threads,
    }


def _tasks_of_user() -> int:
    """Return how many processes and threads this user has: the kernel's limit counts all of them."""
    return sum(max(1, process.threads) for process in family.table())


def _read_all(descriptor: int, patience: float, most: int) -> tuple[bytes, Literal["end", "time", "long"]]:
    """Read to the end, or until the time is over, which counts from the first line on, or it is too long."""
    end, data, up = time.monotonic() + START, bytearray(), False
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while (left := end - time.monotonic()) > 0:
            if selector.select(left):
                chunk = os.read(descriptor, 1 << 16)
                if not chunk:
                    return bytes(data), "end"
                data += chunk
                if len(data) > most:
                    return b"up\n", "long"
                if not up and b"\n" in chunk:
                    end, up = time.monotonic() + patience, True
    return bytes(data), "time"
