"""Whether code draws random numbers: the states of the generators that it can reach, before and after a call."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


def states(f: Callable[..., Any]) -> list[Any]:
    """Return the states of Python's and NumPy's global generators, and of those that a function holds by name.

    Code that seeds a generator itself leaves it in the same state after each call; code that draws from one does not.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> draws = lambda x: x + rng.normal()
    >>> before, _, after = states(draws), draws(1.0), states(draws)
    >>> before == after
    False
    """
    name, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002  # what is watched
    found: list[Any] = [random.getstate(), (name, np.asarray(keys).tobytes(), *rest)]
    for one in _held(f):
        held = getattr(one, "__self__", one)  # a method stands for what it is of
        if isinstance(held, np.random.Generator | np.random.RandomState):
            bits = held.bit_generator if isinstance(held, np.random.Generator) else held._bit_generator
            found.append(repr(bits.state))
        elif isinstance(held, random.Random):
            found.append(held.getstate())
    return found


def _held(f: Any) -> Iterator[Any]:
    """Yield what a function has in its closure, among its defaults and under global names that it uses."""
    code = getattr(f, "__code__", None)
    if code is None:
        return
    for cell in f.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not set yet
            continue
    yield from f.__defaults__ or ()
    yield from (f.__globals__[name] for name in code.co_names if name in f.__globals__)
