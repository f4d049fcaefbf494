"""The commands of `backprop`, a file each; they are imported only when the command line is used."""

from __future__ import annotations


def option_sentence(sentence: str) -> str:
    """Return a sentence that begins with the name of a setting as one that begins with its option.

    Examples
    --------
    >>> option_sentence("learning_rate: found -1.0, expected more")
    '--learning-rate: found -1.0, expected more'
    """
    name, rest = sentence.split(":", 1)
    return f"--{name.replace('_', '-')}:{rest}"


def unwritten(error: OSError, output: object) -> str:
    """Return why something can't be written: the system's words with the file, or a sentence of ours as it is.

    Examples
    --------
    >>> print(unwritten(OSError(28, "No space left on device"), "report"))
    report can't be written: No space left on device
    >>> unwritten(OSError("found the file a, expected a directory"), "a")
    'found the file a, expected a directory'
    """
    return (
        str(error)
        if error.errno is None
        else f"{error.filename or output} can't be written: {error.strerror}"
    )
