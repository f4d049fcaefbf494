"""What a submission may take."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from verification.grading.fields import Table

MIB = 1 << 20
DAY = 86400


class Limits(Table):
    """The limits of a submission's process; the units are in the names.

    Examples
    --------
    >>> Limits(seconds=5).memory_mib
    1024
    """

    seconds: float = Field(
        60.0,
        gt=0,
        le=DAY,
        description="Of time that passes, for each process that is started for it: one, and one more after each "
        "that ended early.",
    )
    cpu_seconds: int = Field(
        20,
        ge=1,
        le=DAY,
        description="Of computing, for each of its processes; the start of the interpreter counts.",
    )
    memory_mib: int = Field(
        1024,
        ge=256,
        le=1 << 20,
        description="Of address space, with that of the interpreter and NumPy (about 100 MiB), for each of its "
        "processes; and of memory that is in use, for all of them together.",
    )
    output_kib: int = Field(1024, ge=1, le=1 << 20, description="Of what it prints.")
    file_mib: int = Field(16, ge=0, le=1 << 20, description="Of one file that it writes.")
    processes: int = Field(
        32, ge=1, le=1 << 16, description="Processes and threads at one time, the first of them included."
    )

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
