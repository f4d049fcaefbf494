"""A bound on the work of one derivation: what would take minutes is refused, after the same work on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from jacobians.formulas.tree import FormulaError

MOST_WORK = 600_000
"""How many steps one call may take, about a second."""

_left: ContextVar[list[int] | None] = ContextVar("steps that are left", default=None)


class EffortError(FormulaError):
    """A formula takes more work than one call is given."""


@contextmanager
def bounded() -> Iterator[None]:
    """Bound the work of what is called within; calls within calls share the bound."""
    if _left.get() is not None:
        yield
        return
    token = _left.set([MOST_WORK])
    try:
        yield
    except RecursionError as error:
        raise EffortError(
            "formula: found a derivative of more levels than Python has, more than about a hundred lines one after "
            "another, expected fewer; derive the last lines and the first ones by themselves, and multiply"
        ) from error
    finally:
        _left.reset(token)


def spend(steps: int) -> None:
    """Count steps, and refuse what takes too many."""
    left = _left.get()
    if left is None:
        return
    left[0] -= steps
    if left[0] < 0:
        raise _too_much(f"more than {MOST_WORK:,} steps")


def _too_much(what: str) -> EffortError:
    return EffortError(
        f"formula: found a derivative that takes {what}, expected a shorter one; give its parts names on lines of "
        f"their own, `h = …;`, or derive them one by one"
    )
