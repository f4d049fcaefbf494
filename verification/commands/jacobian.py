"""`verify jacobian`: the verdict of all witnesses on a Jacobian that stands in a module."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from jacobians import Function
from jacobians.names import class_name, class_said
from jacobians.numerics.arguments import near
from jacobians.numerics.arrays import Array, real_array
from verification.check import check
from verification.commands.running import CallError, is_ours, users_code
from verification.report import CheckReport

MOST_NUMBERS = 1_000_000
MOST_AXES = 32


def run(
    function: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:f",
            help="A function of one array: the module's name, or the path of a .py file, then its name.",
            show_default=False,
        ),
    ],
    jacobian: Annotated[
        str | None,
        typer.Argument(
            metavar="MODULE:J",
            help="Its Jacobian: a function of x, an array, or a Jacobian. A jacobians.Function has its own.",
            show_default=False,
        ),
    ] = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="ARRAY", help='The point: "[1.0, 2.0]".', show_default=False)
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option(
            "--shape", metavar="SHAPE", help="The shape of a random point: 3 or 2x3.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The seed of a random point.")] = 0,
    wrt: Annotated[str, typer.Option("--wrt", help='"input", or a parameter of a Function.')] = "input",
    layout: Annotated[
        str | None,
        typer.Option(
            "--layout", help="Of a tensor: numerator, mixed or denominator.", show_default="none: a matrix"
        ),
    ] = None,
    vec: Annotated[
        str,
        typer.Option("--vec", help='"row", or "column": rows and columns counted down the columns.'),
    ] = "row",
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            metavar="SET",
            help='The set of the point: "symmetric", "lower", or MODULE:directions.',
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON alone.")] = False,
) -> int:
    """Check a Jacobian at a point: (outputs × inputs), numerator layout, row-major vec.

    The modules are imported, that is run. Example: verify jacobian layer.py:f layer.py:J --at "[1.0, 2.0]"

    Exit status: 0 right, 1 wrong or undecided, 2 the call was wrong.
    """
    point = _point(at, shape, seed)
    what = f"{function} or {jacobian or 'its Jacobian'}"
    with users_code(what):
        options = {"layout": layout, "vec": vec, "on": _directions(on)}
        report = _report(function, jacobian, point, wrt, options, what)
    typer.echo(json.dumps(report.to_dict(), indent=2, ensure_ascii=False) if as_json else str(report))
    return 0 if report.passed else 1


def _report(
    function: str, jacobian: str | None, point: Array, wrt: str, options: dict[str, Any], what: str
) -> CheckReport:
    f = load_object(function, "MODULE:f")
    if isinstance(f, type) or not callable(f):
        found = class_said(f)
        raise CallError(f"MODULE:f: found {found}, expected a function or an instance of jacobians.Function")
    candidate = None if jacobian is None else load_object(jacobian, "MODULE:J")
    if candidate is None:
        if jacobian is not None:
            raise CallError("MODULE:J: found None, expected a function of x, an array or a Jacobian")
        if not isinstance(f, Function):
            raise CallError(
                f"MODULE:J: found nothing, expected a Jacobian: {function} is no jacobians.Function, which has its own"
            )
    try:
        return check(f, point, candidate, wrt, **options)  # which refuses what it doesn't know
    except Exception as error:
        if is_ours(error):  # an argument is refused
            raise CallError(str(error)) from error
        raise CallError(f"{what} raised {class_name(error)}: {error}") from error


def _directions(on: str | None) -> Any:
    """Return the name of a set as it is, and directions of a module loaded."""
    return load_object(on, "--on") if on is not None and ":" in on else on


def _point(at: str | None, shape: str | None, seed: int) -> Array:
    if (at is None) == (shape is None):
        found = "neither" if at is None else "both"
        raise CallError(
            f'--at, --shape: found {found}, expected one: --at "[1.0, 2.0]", or --shape 2 with --seed 0'
        )
    if shape is not None:
        if seed < 0:
            raise CallError(f"--seed: found {seed}, expected a number of at least 0")
        return np.asarray(np.random.default_rng(seed).standard_normal(parse_shape(shape)))
    assert at is not None
    return parse_point(at)


def parse_point(text: str) -> Array:
    """Return the array that is written as a Python or JSON list of numbers; nothing is evaluated.

    Raises
    ------
    CallError
        If it is something else.

    Examples
    --------
    >>> parse_point("[[1, 2], [3, 4.5]]")
    array([[1. , 2. ],
           [3. , 4.5]])
    """
    try:
        value = ast.literal_eval(text.strip())
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        shown = text if len(text) <= 60 else text[:57] + "…"
        raise CallError(f'--at: found {shown!r}, expected numbers such as "[1.0, 2.0]" or "0.5"') from None
    try:
        return real_array(value, "--at")
    except (ValueError, TypeError, OverflowError) as error:
        raise CallError(str(error)) from None


def parse_shape(text: str) -> tuple[int, ...]:
    """Return the shape that is written as ``3``, ``2x3``, ``2,3`` or ``()`` for a scalar.

    Raises
    ------
    CallError
        If it is something else, or too large.

    Examples
    --------
    >>> parse_shape("2x3"), parse_shape("(4,)"), parse_shape("()")
    ((2, 3), (4,), ())
    """
    inner = text.strip().removeprefix("(").removesuffix(")").strip().rstrip(",")
    parts = re.split(r"\s*[x×,]\s*", inner) if inner else []
    if (not inner and "(" not in text) or not all(re.fullmatch(r"[0-9]{1,9}", part) for part in parts):
        raise CallError(f"--shape: found {text[:60]!r}, expected sizes such as 3, 2x3, or () for a scalar")
    shape = tuple(int(part) for part in parts)
    if len(shape) > MOST_AXES:
        raise CallError(f"--shape: found {len(shape)} axes, expected at most {MOST_AXES}")
    if 0 in shape or float(np.prod(shape, dtype=float)) > MOST_NUMBERS:
        raise CallError(f"--shape: found {text[:60]!r}, expected from 1 to {MOST_NUMBERS:,} entries")
    return shape


def load_object(text: str, name: str) -> Any:
    """Import a module by its name or by the path of its file, and return something out of it.

    Parameters
    ----------
    text : str
        ``package.module:name``, or ``path/to/file.py:name``; the name may have dots.
    name : str
        What the command calls it: every error begins with it.

    Raises
    ------
    CallError
        If there is no such module or name, or importing it fails.

    Examples
    --------
    >>> load_object("math:pi", "MODULE:f")
    3.141592653589793
    """
    place, colon, attribute = text.rpartition(":")
    if not colon or not place or not attribute:
        raise CallError(
            f"{name}: found {text!r}, expected a module and a name in it, such as layer.py:f or package.layer:f"
        )
    try:
        thing = _import(place)
    except CallError as error:
        raise CallError(f"{name}: {error}") from None
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise CallError(f"{name}: importing {place} raised {class_name(error)}: {error}") from error
    for part in attribute.split("."):
        if not hasattr(thing, part):
            known = [own for own in dir(thing) if not own.startswith("_")]
            raise CallError(
                f"{name}: found no {part!r} in {place}, expected a name that is defined there{near(part, known)}"
            )
        thing = getattr(thing, part)
    return thing


def _import(place: str) -> Any:
    if place.endswith(".py") or "/" in place:
        path = Path(place)
        if not path.is_file():
            raise CallError(f"found no file {place}, expected a Python file")
        key = f"verified:{path.resolve()}"
        if key in sys.modules:
            return sys.modules[key]  # f and J of one file see the same module
        spec = importlib.util.spec_from_file_location(key, path)
        if spec is None or spec.loader is None:
            raise CallError(f"found {place}, expected a Python file: its name ends with .py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[key] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[key]
            raise
        return module
    if "" not in sys.path:
        sys.path.insert(0, "")  # modules of the directory where the user stands, as `python -m` has them
    try:
        return importlib.import_module(place)
    except ModuleNotFoundError as error:
        if error.name is not None and (place == error.name or place.startswith(error.name + ".")):
            raise CallError(
                f"found no module {place!r}, expected one that can be imported, or the path of a .py file"
            ) from None
        raise
