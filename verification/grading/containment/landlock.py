"""Landlock: the Linux kernel's way for a process to give up rights on files, ports and signals for good.

A process that is confined here may read and execute what lies below some directories, write below others,
reach no TCP port, and signal or trace no process that isn't confined with it. It can't undo it, and what it
starts inherits it. Kernels before 5.13, and others with Landlock switched off, have none of it.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVILEGES = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEVICE = 1 << 14, 1 << 15
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # version: number of rights on files, each a bit
_NETWORK = 0b11  # bind and connect, from version 4
_SCOPES = 0b11  # abstract sockets and signals, from version 6


def version(libc: ctypes.CDLL | None = None) -> int:
    """Return the version of Landlock that the kernel has, 0 for none.

    Examples
    --------
    >>> version() >= 0
    True
    """
    try:
        libc = libc or ctypes.CDLL(None, use_errno=True)
        return max(0, int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)))
    except (OSError, AttributeError, TypeError):  # no libc with syscall()
        return 0


def confine(readable: Iterable[str], writable: Iterable[str]) -> int:
    """Confine this process, and all that it will start, as far as the kernel can.

    Parameters
    ----------
    readable, writable : iterable of str
        Files and directories, with all that is below; those that do not exist are left out. What is writable is
        readable.

    Returns
    -------
    int
        The version of Landlock; 0 if the kernel has none, and nothing is confined.

    Raises
    ------
    OSError
        If the kernel has Landlock and refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    found = version(libc)
    if found == 0:
        return 0
    rights = (1 << _FILE_RIGHTS.get(found, 16)) - 1
    attributes = struct.pack("=QQQ", rights, _NETWORK, _SCOPES)[: 8 if found < 4 else 16 if found < 6 else 24]
    ruleset = _call(libc, _CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    try:
        for paths, allowed in ((readable, _READ & rights), (writable, rights)):
            for path in paths:
                _allow(libc, ruleset, path, allowed)
        if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
        _call(libc, _RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return found


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, allowed: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            allowed &= _ON_FILES
        _call(libc, _ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", allowed, descriptor), 0)
    finally:
        os.close(descriptor)


def _call(libc: ctypes.CDLL, number: int, *arguments: object) -> int:
    result = int(libc.syscall(number, *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"Landlock: {os.strerror(error)}")
    return result
