"""What runs in the submission's own process: it imports the submission, calls its functions, sends back arrays.

Nothing here knows an expected answer, and nothing that is sent is trusted: a submission can replace all of this
code, and gains no more by it than what it could have returned.
"""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

ANSWERS = 3
LONGEST_TEXT = 2000


class RefusalError(Exception):
    """What was returned is no array of real numbers; the argument is one of the words of `answers.py`."""


class ForbiddenImports:
    """An import hook that refuses some packages.

    Parameters
    ----------
    names : sequence of str
        Top-level packages.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = frozenset(names)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise ImportError for a forbidden package, leave others to the usual way."""
        if name.partition(".")[0] in self.names:
            raise ImportError(f"the assignment does not allow importing {name.partition('.')[0]}")


def numbers_of(value: Any, accept_lists: bool = False) -> np.ndarray[Any, Any]:
    """Return what a submission returned as an array of float32 or float64.

    Parameters
    ----------
    value : object
        An array, or a number, which is an array without axes.
    accept_lists : bool
        Whether lists and tuples of numbers are arrays.

    Raises
    ------
    RefusalError
        With one word: none, masked, matrix, list, ragged, string, object, complex, or the name of the type.

    Examples
    --------
    >>> numbers_of(np.array([1, 2]))
    array([1., 2.])
    >>> numbers_of([1, 2])
    Traceback (most recent call last):
    ...
    verification.grading.containment.runner.RefusalError: list
    """
    if value is None:
        raise RefusalError("none")
    if isinstance(value, np.ma.MaskedArray):
        raise RefusalError("masked")
    if isinstance(value, np.matrix):
        raise RefusalError("matrix")
    if isinstance(value, list | tuple) and not accept_lists:
        raise RefusalError("list")
    if isinstance(value, str | bytes):
        raise RefusalError("string")
    if not isinstance(value, np.ndarray | np.generic | list | tuple | bool | int | float | complex):
        raise RefusalError(f"type {type(value).__name__}"[:100])
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        raise RefusalError("ragged") from None
    kind = array.dtype.kind
    if kind not in "biuf":
        raise RefusalError(
            {"O": "object", "U": "string", "S": "string", "c": "complex"}.get(kind, f"type {array.dtype}")
        )
    small = kind == "f" and array.dtype.itemsize <= 4
    return np.ascontiguousarray(array, dtype="<f4" if small else "<f8").reshape(array.shape)


class Channel:
    """Frames on a descriptor: a length, a header of JSON, and the bytes that the header announces."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Write one frame."""
        text = json.dumps({**header, "nbytes": len(payload)}).encode()
        data = memoryview(struct.pack(">I", len(text)) + text + payload)
        while data:
            data = data[os.write(self.descriptor, data) :]

    def send_error(self, call: int | None, error: BaseException) -> None:
        """Tell what a submission raised, and in which of its lines."""
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.name != "call"]
        own = [frame for frame in frames if frame.filename.endswith("submission.py")]
        try:
            text = str(error)
        except BaseException as second:  # a submission's own exception class
            text = f"its message raised {type(second).__name__}"
        self.send(
            {
                "event": "raised",
                "call": call,
                "type": type(error).__name__[:100],
                "message": text[:LONGEST_TEXT],
                "line": own[-1].lineno if own else getattr(error, "lineno", None),
            }
        )


def _received(stream: BinaryIO, shape: list[int], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return an argument in this machine's byte order."""
    data = stream.read(dtype.itemsize * int(np.prod(shape)))
    return np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def call(function: Any, arguments: list[Any]) -> Any:
    """Call a submission's function; a frame of its own, so that tracebacks can leave it out."""
    return function(*arguments)


def main() -> None:
    """Answer the request on standard input, and end."""
    with open(0, "rb", closefd=False) as stream:
        (length,) = struct.unpack(">I", stream.read(4))
        request = json.loads(stream.read(length))
        arrays = [
            [_received(stream, shape, np.dtype(dtype)) for shape, dtype in zip(shapes, dtypes, strict=True)]
            for shapes, dtypes in zip(request["shapes"], request["dtypes"], strict=True)
        ]
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.set_inheritable(ANSWERS, False)
    channel = Channel(ANSWERS)
    readable = [os.path.realpath(path) for path in request["readable"]]
    sys.path[:] = [path for path in sys.path if _below(path, readable)]
    sys.meta_path.insert(0, ForbiddenImports(request["forbidden"]))
    sys.argv = ["submission.py"]
    try:
        spec = importlib.util.spec_from_file_location("submission", Path("submission.py").absolute())
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules["submission"] = module
        spec.loader.exec_module(module)
    except BaseException as error:  # sys.exit() too
        channel.send_error(None, error)
        return
    channel.send({"event": "imported"})
    for number, (name, given) in enumerate(zip(request["functions"], arrays, strict=True)):
        channel.send({"event": "begin", "call": number})
        function = getattr(module, name, None)
        if not callable(function):
            channel.send(
                {
                    "event": "refused",
                    "call": number,
                    "word": "missing" if function is None else "not callable",
                }
            )
            continue
        try:
            copies = [np.array(array) if array.ndim else array.item() for array in given]
            answer = numbers_of(call(function, copies), request["accept_lists"])
            written = [not np.array_equal(a, b, equal_nan=True) for a, b in zip(copies, given, strict=True)]
            header = {
                "event": "answer",
                "call": number,
                "dtype": answer.dtype.str,
                "shape": list(answer.shape),
            }
            if answer.nbytes > request["largest"]:
                channel.send({**header, "event": "refused", "word": "large"})
            else:
                channel.send({**header, "written": written}, answer.tobytes())
        except RefusalError as refusal:
            channel.send({"event": "refused", "call": number, "word": str(refusal)})
        except BaseException as error:  # as above
            channel.send_error(number, error)
    channel.send({"event": "done"})
    sys.stdout.flush()
    os._exit(0)  # threads and exit handlers of the submission have nothing more to say


def _below(path: str, directories: Sequence[str]) -> bool:
    real = os.path.realpath(path)
    return any(real == directory or real.startswith(directory.rstrip("/") + "/") for directory in directories)
