"""An assignment of two functions, and the processes that a submission for it may leave behind."""

from pathlib import Path

ASSIGNMENT = """
[assignment]
reference = "reference.py"

[limits]
seconds = {seconds}
cpu_seconds = 1
output_kib = 64
file_mib = 1
processes = 8

[[function]]
name = "first"
arguments = ["x"]
reference = "double"
form = "value"
[[function.point]]
values = {{ x = [1.0, 2.0] }}

[[function]]
name = "second"
arguments = ["x"]
reference = "double"
form = "value"
[[function.point]]
values = {{ x = [3.0, 4.0] }}
"""
RIGHT = "def first(x):\n    return 2 * x\n\ndef second(x):\n    return 2 * x\n"


def write_assignment(directory, seconds):
    """Write the assignment and its reference, and return its path."""
    (directory / "reference.py").write_text("def double(x):\n    return 2 * x\n", encoding="utf-8")
    path = directory / "a.toml"
    path.write_text(ASSIGNMENT.format(seconds=seconds), encoding="utf-8")
    return path


def alive(token):
    """Return the processes in whose command a token stands."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if token.encode() in command:
                found.append(int(entry.name))
    return found
