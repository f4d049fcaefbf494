"""Junk at every public door is answered by a sentence of ours: never by Python's or NumPy's own words."""

from __future__ import annotations

import contextlib
import enum
import inspect
import io
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import backprop
import jacobians
from backprop import MLP
from jacobians import structures
from jacobians.numerics.arrays import MemoryBudgetError

NAMES = [
    (module.__name__, name)
    for module in (jacobians, structures, backprop)
    for name in module.__all__
    # files have doors and tests of their own
    if callable(getattr(module, name)) and getattr(module, name).__module__ != "backprop.learning.state"
]


class Broken:
    """What answers every question about itself with an error of its own."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")

    def __len__(self) -> int:
        raise RuntimeError("no length")


class Colour(enum.Enum):
    RED = 1


JUNK: list[Any] = [
    None,
    True,
    np.False_,
    0,
    -1,
    3,
    3.0,
    2.5,
    float("nan"),
    float("inf"),
    10**400,
    -(10**400),
    1j,
    "",
    "3",
    "input",
    b"x",
    [],
    (),
    {},
    set(),
    {"0.W", "0.b"},
    [1, [2, 3]],
    [[1.0], [1.0, 2.0]],
    ["a", "b"],
    [None],
    {"W": 1.0},
    {1: 2},
    np.ones(3),
    np.ones((2, 3)),
    np.ones((0, 2)),
    np.ones(2, complex),
    np.array(["a"]),
    np.array([None, 1]),
    np.array(7),
    np.ones((1, 2)).view(np.matrix),
    np.ma.array([1.0, 2.0], mask=[0, 1]),
    np.array([True, False]),
    (True, 2),
    (3.0, 2),
    ("3", 2),
    (-1, 2),
    object(),
    object,
    len,
    lambda *anything: None,
    (number for number in range(3)),
    range(2),
    slice(1, 2),
    Broken(),
    Colour.RED,
    np.float64,
    np.datetime64("2020-01-01"),
    jacobians.Tanh,
    jacobians.Tanh(),
    jacobians.Affine([[1.0, 2.0]]),
    structures.Diagonal([1.0, 2.0]),
    MLP([([[1.0, 2.0]], None)], loss="squared-error"),
]

THEIRS = re.compile(
    r"has no attribute|too large to convert|ambiguous|is not iterable|setting an array element|ufunc|"
    r"broadcast together|"
    r"unhashable|not subscriptable|cannot be interpreted|unsupported operand|not callable|out of bounds|inhomogeneous|"
    r"not supported between|could not convert|unexpected keyword|positional argument|must be|invalid literal|unpack|"
    r"can't multiply|has no len|object is not"
)


def _calls(thing: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield what is called: the function or class itself, and the class methods that make one."""
    if not inspect.isabstract(thing):
        yield "", thing
    if inspect.isclass(thing):
        for name, member in inspect.getmembers(thing, inspect.ismethod):
            if not name.startswith("_") and name != "unchecked":
                yield f".{name}", member


def _arguments(call: Callable[..., Any]) -> list[inspect.Parameter]:
    return [
        parameter
        for parameter in inspect.signature(call).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]


def _filled(
    parameters: list[inspect.Parameter], random: np.random.Generator
) -> tuple[list[Any], dict[str, Any]]:
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for parameter in parameters:
        value = JUNK[random.integers(len(JUNK))]
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            positional += [JUNK[place] for place in random.integers(len(JUNK), size=random.integers(1, 3))]
        elif parameter.default is inspect.Parameter.empty:
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                named[parameter.name] = value
            else:
                positional.append(value)
        elif random.random() < 0.3 and not any(
            p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters
        ):
            named[parameter.name] = value
    return positional, named


def _is_ours(error: Exception) -> bool:
    """Return whether an error is one of ours: its kind, its form, and none of the words of others."""
    text = str(error)
    fitting = isinstance(error, TypeError | ValueError | MemoryBudgetError)
    formed = re.match(r"[\w⊗⁻ .\[\],()*'-]+?: .*(found|expected)", text, re.DOTALL) or isinstance(
        error, MemoryBudgetError
    )
    return bool(fitting and formed and not THEIRS.search(text))


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_junk_is_refused_by_name_or_taken(module: str, name: str, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    thing = getattr({m.__name__: m for m in (jacobians, structures, backprop)}[module], name)
    random = np.random.default_rng(sum(map(ord, name)))
    wrong = []
    for suffix, call in _calls(thing):
        try:
            parameters = _arguments(call)
        except ValueError:  # a class of Python's own kind, whose signature isn't told
            continue
        for _ in range(60):
            positional, named = _filled(parameters, random)
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
                warnings.simplefilter("error")
                try:
                    call(*positional, **named)
                except Exception as error:
                    if not _is_ours(error):
                        wrong.append(f"{name}{suffix}: {type(error).__name__}: {str(error)[:150]}")
    assert not wrong, "\n".join(sorted(set(wrong))[:12])
