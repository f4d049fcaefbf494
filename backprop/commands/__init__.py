"""The commands of `backprop`, a file each; they are imported only when the command line is used."""

from __future__ import annotations


class CallError(Exception):
    """The call was wrong: its one sentence goes to stderr, and the exit status is 2."""
