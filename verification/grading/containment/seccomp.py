"""One filter of system calls beside Landlock: what Landlock has no rule for is refused with EPERM, never by a kill.

Refused are changes of owners and attributes, shared memory and queues that outlive a process or its limits, sockets
(a pair of connected ones stays possible), and what reads other processes, the kernel's keys or its rings. Changes of
modes and times can't be told apart by the kernel's filter, which sees no path: it asks the supervisor, which makes the
change itself if it is below the submission's own directory. Linux on x86-64 and aarch64; elsewhere there is no filter.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import struct
from pathlib import Path
from typing import Any

_ALLOW, _ERRNO, _NOTIFY = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x7FC00000
_LOAD, _EQUAL, _AT_LEAST, _MASK, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06  # classic BPF
_NUMBER, _ARCHITECTURE, _SECOND_ARGUMENT = 0, 4, 24  # offsets in what the filter sees
_X32 = 0x40000000
_DATAGRAM = 2
_NO_NEW_PRIVILEGES = 38
_RECEIVE, _SEND = 0xC0502100, 0xC0182101  # ioctls of the listener
_BENEATH, _PATH_ONLY, _HERE = 0x08, getattr(os, "O_PATH", 0), -100

# architecture: its number, seccomp, openat2, calls that are refused, socketpair, and calls that are asked about
_CALLS: dict[str, dict[str, Any]] = {
    "x86_64": {
        "architecture": 0xC000003E,
        "seccomp": 317,
        "socketpair": 53,
        # shmget semget msgget memfd_create memfd_secret mq_open socket ptrace process_vm_readv process_vm_writev
        # add_key request_key keyctl userfaultfd io_uring_setup bpf perf_event_open pidfd_getfd open_by_handle_at
        # setns unshare, chown fchown lchown fchownat, setxattr … fremovexattr setxattrat removexattrat
        "refused": (29, 64, 68, 319, 447, 240, 41, 101, 310, 311, 248, 249, 250, 323, 425, 321, 298, 438, 304,
                    308, 272, 92, 93, 94, 260, 188, 189, 190, 197, 198, 199, 463, 466),
        "asked": {90: "chmod", 91: "fchmod", 268: "fchmodat", 452: "fchmodat2", 132: "utime", 235: "utimes",
                  261: "futimesat", 280: "utimensat"},
    },
    "aarch64": {
        "architecture": 0xC00000B7,
        "seccomp": 277,
        "socketpair": 199,
        "refused": (194, 190, 186, 279, 447, 180, 198, 117, 270, 271, 217, 218, 219, 282, 425, 280, 241, 438, 265,
                    268, 97, 55, 54, 5, 6, 7, 14, 15, 16, 463, 466),
        "asked": {52: "fchmod", 53: "fchmodat", 452: "fchmodat2", 88: "utimensat"},
    },
}  # fmt: skip
_OPENAT2 = 437


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _instruction(code: int, value: int, true: int = 0, false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, true, false, value)


def program(machine: str, asks: bool) -> bytes:
    """Return the filter for an architecture; `asks` says whether somebody answers for modes and times.

    Examples
    --------
    >>> len(program("x86_64", True)) % 8
    0
    """
    calls = _CALLS[machine]
    verdicts = [(number, _ERRNO) for number in calls["refused"]]
    verdicts += [(number, _NOTIFY if asks else _ERRNO) for number in calls["asked"]]
    lines = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_EQUAL, calls["architecture"], 1),
        _instruction(_RETURN, _ERRNO),  # calls of another architecture have other numbers
        _instruction(_LOAD, _NUMBER),
        _instruction(_AT_LEAST, _X32, 0, 1),
        _instruction(_RETURN, _ERRNO),
    ]
    for number, verdict in verdicts:
        lines += [_instruction(_EQUAL, number, 0, 1), _instruction(_RETURN, verdict)]
    lines += [  # a datagram socket of a pair can still be sent to a path
        _instruction(_EQUAL, calls["socketpair"], 0, 4),
        _instruction(_LOAD, _SECOND_ARGUMENT),
        _instruction(_MASK, 0xF),
        _instruction(_EQUAL, _DATAGRAM, 0, 1),
        _instruction(_RETURN, _ERRNO),
        _instruction(_RETURN, _ALLOW),
    ]
    return b"".join(lines)


def confine() -> int | None:
    """Filter the system calls of this process and of all that it will start.

    Returns
    -------
    int or None
        The descriptor on which the kernel asks about modes and times, for a :class:`Broker` in another process. None
        where there is none: then these are refused, or, without seccomp on this machine, nothing is filtered.
    """
    machine = platform.machine()
    if machine not in _CALLS or not hasattr(os, "O_PATH"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    for asks, flags in (
        (True, 8),
        (False, 0),
    ):  # a kernel before 5.0, or a filter that asks already, knows no 8
        text = program(machine, asks)
        given = _Program(len(text) // 8, text)
        result = int(libc.syscall(_CALLS[machine]["seccomp"], 1, flags, ctypes.byref(given)))
        if result >= 0:
            return result if asks else None
    return None


class Broker:
    """Makes the changes of modes and times that a submission asks for, below its own directory alone.

    The path is read from the memory of the process that asks, and opened by the kernel beneath the directory,
    whatever links stand there: what is changed is what was opened.

    Parameters
    ----------
    listener : int
        What :func:`confine` returned, in the process that is filtered.
    directory : str
        The submission's own.
    """

    def __init__(self, listener: int, directory: str) -> None:
        self.listener = listener
        self.directory = os.path.realpath(directory)
        self.root = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.names = _CALLS[platform.machine()]["asked"]

    def answer(self) -> None:
        """Answer one question of the kernel's."""
        question = bytearray(80)
        try:
            fcntl.ioctl(self.listener, _RECEIVE, question)
        except OSError:  # who asked is dead
            return
        identity, pid, _, number = struct.unpack_from("=QIIi", question)
        arguments = struct.unpack_from("=6Q", question, 32)
        try:
            self._change(self.names[number], pid, arguments)
            error = 0
        except OSError as refusal:
            error = -(refusal.errno or errno.EPERM)
        except Exception:  # whatever a submission passes
            error = -errno.EPERM
        with contextlib.suppress(OSError):
            fcntl.ioctl(self.listener, _SEND, struct.pack("=QqiI", identity, 0, error, 0))

    def _change(self, name: str, pid: int, given: tuple[int, ...]) -> None:
        first = ctypes.c_int(given[0] & 0xFFFFFFFF).value
        if name == "fchmod":
            descriptor, mode, times = self._opened(pid, first, ""), given[1], None
        elif name == "chmod":
            descriptor, mode, times = self._opened(pid, _HERE, _text(pid, given[0])), given[1], None
        elif name in ("fchmodat", "fchmodat2"):
            descriptor, mode, times = self._opened(pid, first, _text(pid, given[1])), given[2], None
        elif name == "utime":
            descriptor, mode = self._opened(pid, _HERE, _text(pid, given[0])), None
            times = _times(pid, given[1], "=qq", 10**9, 1)
        elif name == "utimes":
            descriptor, mode = self._opened(pid, _HERE, _text(pid, given[0])), None
            times = _times(pid, given[1], "=qqqq", 10**9, 1000)
        elif name == "futimesat":
            descriptor, mode = self._opened(pid, first, _text(pid, given[1])), None
            times = _times(pid, given[2], "=qqqq", 10**9, 1000)
        else:
            descriptor, mode = self._opened(pid, first, _text(pid, given[1]) if given[1] else ""), None
            times = _times(pid, given[2], "=qqqq", 10**9, 1)
        try:
            path = f"/proc/self/fd/{descriptor}"
            if mode is not None:
                Path(path).chmod(mode & 0o1777)  # never on behalf of another user
            elif times is None:
                os.utime(path)
            else:
                os.utime(path, ns=times)
        finally:
            os.close(descriptor)

    def _opened(self, pid: int, at: int, path: str) -> int:
        """Open what a process names, as the kernel finds it beneath the directory."""
        start = f"/proc/{pid}/cwd" if at == _HERE else f"/proc/{pid}/fd/{at}"
        full = os.path.normpath(Path(start).readlink() / path)
        inside = os.path.relpath(full, self.directory)
        how = struct.pack("=QQQ", _PATH_ONLY | os.O_CLOEXEC, 0, _BENEATH)
        found = int(
            self.libc.syscall(_OPENAT2, self.root, os.fsencode(inside), how, ctypes.c_size_t(len(how)))
        )
        if found < 0:
            number = ctypes.get_errno()
            raise OSError(errno.EPERM if number == errno.EXDEV else number, os.strerror(number))
        return found


def _read(pid: int, address: int, size: int) -> bytes:
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(size)


def _text(pid: int, address: int) -> str:
    """Return the text at an address of another process, read page by page, for the next may not be there."""
    found = b""
    while b"\0" not in found and len(found) < 4096:
        found += _read(pid, address + len(found), 4096 - (address + len(found)) % 4096)
    text, end, _ = found.partition(b"\0")
    if not end or not text:
        raise OSError(errno.ENOENT, "no path")
    return os.fsdecode(text)


def _times(pid: int, address: int, layout: str, unit: int, part: int) -> tuple[int, int] | None:
    """Return access and change in nanoseconds; None for now, which an address of 0 says."""
    if address == 0:
        return None
    numbers = struct.unpack(layout, _read(pid, address, struct.calcsize(layout)))
    if len(numbers) == 2:
        return numbers[0] * unit, numbers[1] * unit
    now, omit = (1 << 30) - 1, (1 << 30) - 2
    if part == 1 and {numbers[1], numbers[3]} & {now, omit}:
        return None
    return numbers[0] * unit + numbers[1] * part, numbers[2] * unit + numbers[3] * part
