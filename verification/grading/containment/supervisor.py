"""The process between the marking and one submission: it starts the submission, watches it, leaves nothing behind.

It is told what to do in one line of JSON on its standard input, and tells on its standard output that it is up, in a
line, and then what came of it: a line of JSON, and the bytes that the submission answered. When its standard input is
closed, which also happens when the marking process dies, it kills the submission and ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import signal
import socket
import sys
import time
from typing import Any, NoReturn

from . import landlock, seccomp
from .descendants import become_subreaper, descendants, hide_memory, kill_all
from .removal import remove_tree

TICK = 0.1  # seconds between two looks at the processes
CHUNK = 1 << 16
KEPT_OUTPUT = 1 << 14  # bytes of what a submission prints that are kept for people
ANSWERS = 3  # the descriptor on which a submission answers
_DROP_CAPABILITY = 24


class Supervision:
    """One submission from its start to the end of all that it started.

    Parameters
    ----------
    order : dict
        ``command``, ``base`` (a directory for it alone), ``directory`` (in it, where it runs), ``request`` (in
        it, the file that is its standard input), ``environment``, ``readable``,
        ``writable``, ``confine`` and ``limits``: see :mod:`verification.grading.processes`.
    """

    def __init__(self, order: dict[str, Any]) -> None:
        self.order, self.limits = order, order["limits"]
        self.printed, self.output, self.answers = 0, bytearray(), bytearray()
        self.status: int | None = None
        self.usage: resource.struct_rusage | None = None
        self.failure = b""
        self.broker: seccomp.Broker | None = None

    def run(self) -> dict[str, Any]:
        """Return how it ended; everything is dead by then."""
        start = time.monotonic()
        self._start()
        try:
            end = self._watch(start + self.limits["seconds"])
        finally:
            left = [
                process for process in descendants(os.getpid()) if process.alive and process.pid != self.pid
            ]
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(
                    self.pid, signal.SIGKILL
                )  # at once, so that what forks without end does not outrun it
            unkilled = self._bury()
        for descriptor in (self.reading, self.answering):
            self._drain(descriptor)
        return {
            "end": end,
            "status": self.status,
            "seconds": time.monotonic() - start,
            "cpu_seconds": 0.0 if self.usage is None else self.usage.ru_utime + self.usage.ru_stime,
            "printed": self.printed,
            "output": self.output.decode("utf-8", "replace"),
            "left_behind": len(left),
            "unkilled": unkilled,
            "failure": self.failure.decode("utf-8", "replace"),
        }

    # --- start -------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self.reading, printing = os.pipe()
        self.answering, answers = os.pipe()
        failing, failure = os.pipe()
        asking, telling = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            self._become_submission(printing, answers, failure, telling.fileno())
        telling.close()
        for descriptor in (printing, answers, failure):
            os.close(descriptor)
        with asking:
            _, listeners, _, _ = socket.recv_fds(asking, 1, 1)
        if listeners:
            self.broker = seccomp.Broker(listeners[0], self.order["directory"])
        with os.fdopen(failing, "rb") as stream:
            self.failure = stream.read(CHUNK)  # ends when the submission's interpreter takes over
        os.set_blocking(self.reading, False)
        os.set_blocking(self.answering, False)

    def _become_submission(self, printing: int, answers: int, failure: int, telling: int) -> NoReturn:
        try:
            os.setsid()
            request = os.open(self.order["request"], os.O_RDONLY)
            # first out of the way of the numbers 0 to 5, which the pipes may have
            sources = (request, printing, printing, answers, failure, telling)
            moved = [_above(os.dup(descriptor), len(sources)) for descriptor in sources]
            for target, descriptor in enumerate(moved):
                os.dup2(descriptor, target, inheritable=target <= ANSWERS)
            failure, telling = ANSWERS + 1, ANSWERS + 2
            os.closerange(len(sources), 4096)
            os.chdir(self.order["directory"])
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            self._limit()
            if self.order["confine"]:
                landlock.confine(self.order["readable"], self.order["writable"])
                listener = seccomp.confine()
                if listener is not None:
                    with socket.socket(fileno=telling) as channel:
                        socket.send_fds(channel, [b"+"], [listener])
                    os.close(listener)
            command = self.order["command"]
            os.execve(command[0], command, self.order["environment"])
        except BaseException as error:
            os.write(failure, f"{type(error).__name__}: {error}".encode())
        os._exit(126)

    def _limit(self) -> None:
        limits = self.limits
        for name, least, most in (
            ("RLIMIT_AS", limits["memory"], limits["memory"]),
            ("RLIMIT_DATA", limits["memory"], limits["memory"]),
            ("RLIMIT_CPU", limits["cpu_seconds"], limits["cpu_seconds"] + 1),
            ("RLIMIT_FSIZE", limits["file"], limits["file"]),
            ("RLIMIT_CORE", 0, 0),
            ("RLIMIT_NOFILE", 256, 256),
            ("RLIMIT_NPROC", limits["user_processes"], limits["user_processes"]),
        ):
            kind = getattr(resource, name, None)
            if kind is not None:
                hard = resource.getrlimit(kind)[1]
                most = most if hard == resource.RLIM_INFINITY else min(most, hard)
                # macOS knows some of these limits by name only
                with contextlib.suppress(ValueError, OSError):
                    resource.setrlimit(kind, (min(least, most), most))
        if os.geteuid() == 0:
            _drop_capabilities()

    # --- watch -------------------------------------------------------------------------------------------

    def _watch(self, deadline: float) -> str:
        """Return the reason why it ended; the main process may be alive still."""
        wakeup, woken = os.pipe()
        for descriptor in (wakeup, woken):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # so that the selector wakes
        next_look = time.monotonic() + TICK
        with selectors.DefaultSelector() as selector:
            for descriptor in (0, wakeup, self.reading, self.answering):
                selector.register(descriptor, selectors.EVENT_READ)
            if self.broker is not None:
                selector.register(self.broker.listener, selectors.EVENT_READ)
            while True:
                if self._ended():
                    return "exit"
                now = time.monotonic()
                if now >= deadline:
                    return "time"
                if now >= next_look:
                    next_look = now + TICK
                    if reason := self._look():
                        return reason
                for key, _ in selector.select(max(0.0, min(deadline, next_look) - now)):
                    if key.fd == 0 and not os.read(0, CHUNK):
                        return "stopped"
                    if key.fd == wakeup:
                        with contextlib.suppress(BlockingIOError):
                            os.read(wakeup, CHUNK)
                    if self.broker is not None and key.fd == self.broker.listener:
                        self.broker.answer()
                    if key.fd in (self.reading, self.answering):
                        if not self._read(key.fd):
                            selector.unregister(key.fd)
                        if self.printed > self.limits["output"]:
                            return "output"
                        if len(self.answers) > self.limits["answers"]:
                            return "answers"

    def _ended(self) -> bool:
        """Reap what has ended; return whether the submission's main process is among it."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return self.status is not None
            if pid == 0:
                return self.status is not None
            if pid == self.pid:
                self.status, self.usage = os.waitstatus_to_exitcode(status), usage

    def _look(self) -> str:
        """Return which limit on all processes together is passed, '' for none."""
        family = descendants(os.getpid())
        if sum(max(1, process.threads) for process in family if process.alive) > self.limits["processes"]:
            return "processes"
        if sum(process.resident for process in family) > self.limits["memory"]:
            return "memory"
        return ""

    def _read(self, descriptor: int) -> bool:
        """Take over what can be read at once; return whether more may come."""
        try:
            data = os.read(descriptor, CHUNK)
        except BlockingIOError:
            return True
        if descriptor == self.answering:
            self.answers += data
        else:
            self.printed += len(data)
            self.output += data[: max(0, KEPT_OUTPUT - len(self.output))]
        return bool(data)

    def _drain(self, descriptor: int) -> None:
        """Read what is left in a pipe; with all its writers dead that is at most what a pipe holds."""
        for _ in range(1024):
            try:
                data = os.read(descriptor, CHUNK)
            except BlockingIOError:
                break
            if not data:
                break
            if descriptor == self.answering:
                self.answers += data
            else:
                self.printed += len(data)
                self.output += data[: max(0, KEPT_OUTPUT - len(self.output))]
        os.close(descriptor)

    def _bury(self) -> list[int]:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if self.status is None:
            # its usage is wanted, so that it is waited for by itself
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                _, status, self.usage = os.wait4(self.pid, 0)
                self.status = os.waitstatus_to_exitcode(status)
        return kill_all()


def _above(descriptor: int, least: int) -> int:
    """Return a duplicate above `least` of a descriptor that is not."""
    while descriptor <= least:
        descriptor = os.dup(descriptor)
    return descriptor


def _drop_capabilities() -> None:
    """Give up what root may do beyond its own files; the bounding set holds over execve."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        for capability in range(64):
            libc.prctl(_DROP_CAPABILITY, capability, 0, 0, 0)


def main() -> None:
    """Supervise the submission that is described on standard input."""
    become_subreaper()
    hide_memory()
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            sys.exit(1)
        line += byte
    supervision = Supervision(json.loads(line))
    os.write(1, b"up\n")  # from here on time counts
    result = supervision.run()
    if result["end"] == "stopped":
        remove_tree(supervision.order["base"])  # the marking process may be dead, and nobody else would do it
    with os.fdopen(1, "wb", closefd=False) as stream:
        stream.write(json.dumps(result).encode() + b"\n")
        stream.write(supervision.answers[: supervision.limits["answers"]])
