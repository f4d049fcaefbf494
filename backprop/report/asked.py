"""What a report is asked for beside its network: which derivatives, orders and numbers of points, and its words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from backprop.plan import STRATEGIES
from jacobians.numerics.arguments import checked_integer, checked_list, checked_option, near, shown
from jacobians.planning.objectives import OBJECTIVES

HEADING = "Every Jacobian of a network, checked and costed"

ORDERS = (*STRATEGIES, "reverse", "forward", "markowitz")
"""The orders that a report compares; the last ones are those of graphs, and reverse and forward left and right."""

MOST_POINTS = 4096
LONGEST_WORDS = 200


@dataclass(frozen=True)
class Asked:
    """The options of every report.

    Parameters
    ----------
    points : tuple of int
        For how many points at once the chains are compared; () is one point, and of the digits as many as
        ``Settings.batch``, too.
    by : tuple of str
        "input" and names of parameters; () is all of them.
    strategies : tuple of str
        The orders that are compared.
    objective : {"multiplications", "additions", "flops", "peak"}
        What the optimal order has least of.
    heading, author : str
        The title of the report, and who hands it in.

    Raises
    ------
    TypeError, ValueError
        If one is not what it should be; the sentence begins with its name.

    Examples
    --------
    >>> Asked(by=("0.W",)).strategies
    ('left', 'right', 'optimal')
    >>> Asked(strategies=("left", "optimum"))
    Traceback (most recent call last):
    ...
    ValueError: strategies: found 'optimum', expected names out of left, right, optimal, reverse, forward, ...
    """

    points: tuple[int, ...] = ()
    by: tuple[str, ...] = ()
    strategies: tuple[str, ...] = STRATEGIES
    objective: str = "multiplications"
    heading: str = ""
    author: str = ""

    def __post_init__(self) -> None:
        points = checked_list(self.points, "points", "numbers of points such as (1, 32)")
        for own in points:
            checked_integer(own, "points", least=1, most=MOST_POINTS)
        self._set("points", tuple(sorted(map(int, points))))
        for name, expected in (("by", "input or names of parameters"), ("strategies", "names of orders")):
            self._set(name, tuple(checked_list(getattr(self, name), name, expected)))
        for name in self.by:
            if not (isinstance(name, str) and name):
                raise ValueError(
                    f"by: found {shown(name)}, expected input or names of parameters such as 0.W"
                )
        if not self.strategies:
            raise ValueError(f"strategies: found none, expected names out of {', '.join(ORDERS)}")
        for name in self.strategies:
            if not isinstance(name, str) or name not in ORDERS:
                raise ValueError(
                    f"strategies: found {shown(name)}, expected names out of {', '.join(ORDERS)}"
                    f"{near(name, ORDERS) if isinstance(name, str) else ''}"
                )
        for name in ("points", "by", "strategies"):
            own = getattr(self, name)
            twice = next((one for place, one in enumerate(own) if one in own[:place]), None)
            if twice is not None:
                raise ValueError(f"{name}: found {twice!r} twice, expected each once; leave it out")
        checked_option(self.objective, "objective", list(OBJECTIVES))
        for name, option in (("heading", "title"), ("author", "author")):
            words = getattr(self, name)
            if not isinstance(words, str):
                raise TypeError(f"{option}: found {shown(words)}, expected a text")
            if len(words) > LONGEST_WORDS or not words.isprintable():
                found = f"{len(words):,} letters" if words.isprintable() else shown(words)
                raise ValueError(
                    f"{option}: found {found}, expected one line of at most {LONGEST_WORDS} printable letters"
                )

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    @property
    def title(self) -> str:
        """The heading, its own or that of all reports."""
        return self.heading or HEADING


def parse_asked(
    *,
    points: str | None = None,
    by: str | None = None,
    strategies: str | None = None,
    objective: str = "multiplications",
    **words: str,
) -> Asked:
    """Return what is asked for in texts, as on a command line; None stands for what is usual.

    Raises
    ------
    ValueError
        If a text is not what its option takes.

    Examples
    --------
    >>> parse_asked(points="1, 32", by="input,0.W").points
    (1, 32)
    """
    given: dict[str, Any] = {"objective": objective, **words}
    for name, text in (("points", points), ("by", by), ("strategies", strategies)):
        if text is None:
            continue
        parts = [part.strip() for part in text.split(",")]
        if not all(parts):
            raise ValueError(f"{name}: found {text!r}, expected something before and behind each comma")
        if name == "points":
            for part in parts:
                if not re.fullmatch(r"[0-9]{1,9}", part):
                    raise ValueError(
                        f"points: found {part!r}, expected whole numbers with commas between; write 1,32, say"
                    )
        given[name] = tuple(map(int, parts)) if name == "points" else tuple(parts)
    return Asked(**given)
