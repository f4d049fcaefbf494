"""The commands of `backprop`, a file each; they are imported only when the command line is used."""

from __future__ import annotations


class CallError(Exception):
    """The call was wrong: its one sentence goes to stderr, and the exit status is 2."""


def option_sentence(sentence: str) -> str:
    """Return a sentence that begins with the name of a setting as one that begins with its option.

    Examples
    --------
    >>> option_sentence("learning_rate: found -1.0, expected more")
    '--learning-rate: found -1.0, expected more'
    """
    name, rest = sentence.split(":", 1)
    return f"--{name.replace('_', '-')}:{rest}"
