"""What a submission may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """The limits of a submission's process; the units are in the names.

    Attributes
    ----------
    seconds : float
        Of time that passes, for each process that is started for it: one, and one more after each that ended early.
    cpu_seconds : int
        Of computing, for each of its processes; the start of the interpreter counts.
    memory_mib : int
        Of address space, with that of the interpreter and NumPy (about 100 MiB), for each of its processes; and of
        memory that is in use, for all of them together.
    output_kib : int
        Of what it prints.
    file_mib : int
        Of one file that it writes.
    processes : int
        Processes and threads at one time, the first of them included.

    Examples
    --------
    >>> Limits(seconds=5).memory_mib
    1024
    """

    seconds: float = 60.0
    cpu_seconds: int = 20
    memory_mib: int = 1024
    output_kib: int = 1024
    file_mib: int = 16
    processes: int = 32

    def to_order(self, answers: int, tasks: int) -> dict[str, Any]:
        """Return them in bytes for a supervisor.

        Parameters
        ----------
        answers : int
            The most bytes that it may answer.
        tasks : int
            The processes and threads of this user now, which the kernel counts too.
        """
        return {
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "memory": self.memory_mib * MIB,
            "output": self.output_kib * 1024,
            "file": self.file_mib * MIB,
            "processes": self.processes,
            # others of this user come and go, and other submissions too; the supervisor counts exactly
            "user_processes": tasks + self.processes + 512,
            "answers": answers,
        }
