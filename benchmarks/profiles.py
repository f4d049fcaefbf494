"""Where the time of a call goes: by kind of operation in generated code, by function elsewhere.

Generated code is taken apart into single operations, and a clock is read behind each one. The clock's own time is
subtracted; what the taking apart itself costs (a name for each intermediate result) is a few percent of a microsecond.
"""

from __future__ import annotations

import ast
import cProfile
import pstats
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

FUNCTIONS = {
    "matrix products": {"dot", "matmul"},
    "tanh, cosh, exp": {"tanh", "cosh", "exp", "expm1", "log1p", "logaddexp", "tanh_slope"},
    "live units": {"flatnonzero", "take", "heaviside"},
    "other operations on entries": {
        "add", "subtract", "multiply", "divide", "reciprocal", "maximum", "negative", "sum", "square", "copysign",
    },
}  # fmt: skip
REST = "views and the rest"
MOST_PARTS = 5


class Code(NamedTuple):
    """Generated code: a module whose `make` takes constants and returns the function, and the function's arguments."""

    source: str
    constants: Mapping[str, Any]
    arguments: Sequence[Any]


def shares(call: Callable[[], Any], seconds: float = 0.5) -> dict[str, float]:
    """Return the parts of a call and their shares of its time, the largest first.

    Parameters
    ----------
    call : callable
        With an attribute `code` if it runs generated code, a :class:`Code`.
    seconds : float
        How long it is called again and again.
    """
    code = getattr(call, "code", None)
    return largest(by_function(call, seconds) if code is None else by_kind(code, seconds))


def largest(parts: Mapping[str, float]) -> dict[str, float]:
    """Return the largest parts, in order."""
    return dict(sorted(parts.items(), key=lambda item: -item[1])[:MOST_PARTS])


def by_function(call: Callable[[], Any], seconds: float) -> dict[str, float]:
    """Return the share of each function, without the functions that it calls."""
    profile = cProfile.Profile()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        profile.runcall(call)
    return own_shares(pstats.Stats(profile))


def own_shares(stats: pstats.Stats) -> dict[str, float]:
    """Return the share of each function of a profile, without the functions that it calls."""
    own: dict[str, float] = {}
    for (path, _, name), (_, _, spent, _, _) in stats.stats.items():  # type: ignore[attr-defined]
        inside = re.match(r"<method '(\w+)' of '([\w.]+)' objects>|<built-in method ([\w.]+)>", name)
        if inside:
            label = inside[3] or f"{inside[2]}.{inside[1]}"
        else:
            label = name if path == "~" else f"{Path(path).stem.replace('<string>', 'generated code')}.{name}"
        own[label] = own.get(label, 0.0) + spent
    total = sum(own.values())
    return {name: spent / total for name, spent in own.items()}


def by_kind(code: Code, seconds: float) -> dict[str, float]:
    """Return the share of each kind of operation of generated code."""
    clock = _Clock()
    run = with_clock(code, clock.read)
    run(*code.arguments)
    clock.rounds.clear()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        clock.begin()
        run(*code.arguments)
    kinds = {kind for found in clock.rounds for kind in found}
    # medians: a disturbance of the machine meets one round
    spent = {kind: statistics.median(found[kind] for found in clock.rounds) for kind in kinds}
    total = sum(spent.values())
    return {kind: part / total for kind, part in spent.items()}


def with_clock(code: Code, read: Callable[[str], None]) -> Callable[..., Any]:
    """Return the function of generated code, a single operation at a time; `read` is called with the kind of each."""
    module = ast.parse(code.source)
    maker = next(part for part in module.body if isinstance(part, ast.FunctionDef))
    function = [part for part in maker.body if isinstance(part, ast.FunctionDef)][-1]
    function.body = _Apart().statements(function.body)
    namespace: dict[str, Any] = {"_clock": read}
    exec(compile(ast.fix_missing_locations(module), "generated code", "exec"), namespace)
    return namespace["make"](**code.constants)


class _Clock:
    """Adds up the time between readings by kind, a round a call."""

    def __init__(self) -> None:
        self.rounds: list[dict[str, float]] = []
        self.begin()
        for _ in range(1000):
            self.read(REST)
        self.own = self.rounds[-1][REST] / 1000

    own = 0.0

    def begin(self) -> None:
        self.rounds.append(defaultdict(float))
        self.last = time.perf_counter()

    def read(self, kind: str) -> None:
        now = time.perf_counter()
        self.rounds[-1][kind] += max(now - self.last - self.own, 0.0)
        self.last = time.perf_counter()


class _Apart:
    """Takes statements apart into single operations, with a reading of the clock behind each."""

    def __init__(self) -> None:
        self.count = 0
        self.found: list[ast.stmt] = []

    def statements(self, body: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Return the statements that do the same."""
        found: list[ast.stmt] = []
        for statement in body:
            self.found = []
            if isinstance(statement, ast.With):
                statement.body = self._reading(REST, self.statements(statement.body))
                found += [statement, *self._reading(REST)]
            elif isinstance(statement, ast.Assign | ast.Expr) and isinstance(
                statement.value, ast.Call | ast.BinOp
            ):
                kind = self._operands(statement.value)
                found += [*self.found, statement, *self._reading(kind)]
            elif isinstance(statement, ast.Return):
                found += [*self._reading(REST), statement]
            else:
                found += [statement, *self._reading(REST)]
        return found

    def _operands(self, node: Any) -> str:
        """Move the operands of an operation to lines of their own; return its kind."""
        if isinstance(node, ast.BinOp):
            node.left, node.right = self._named(node.left), self._named(node.right)
            return "matrix products" if isinstance(node.op, ast.MatMult) else "other operations on entries"
        if isinstance(node, ast.UnaryOp):
            node.operand = self._named(node.operand)
            return "other operations on entries"
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if isinstance(node.func, ast.Attribute):
                node.func.value = self._named(node.func.value)
            node.args = [self._named(part) for part in node.args]
            return next((kind for kind, names in FUNCTIONS.items() if name in names), REST)
        if isinstance(node, ast.Subscript | ast.Attribute):
            node.value = self._named(node.value)
        return REST

    def _named(self, node: Any) -> Any:
        if isinstance(node, ast.Tuple | ast.List):
            node.elts = [self._named(part) for part in node.elts]
            return node
        plain = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np"
        if plain or not isinstance(node, ast.BinOp | ast.UnaryOp | ast.Call | ast.Subscript | ast.Attribute):
            return node
        kind = self._operands(node)
        self.count += 1
        name = f"_part{self.count}"
        self.found += [ast.Assign([ast.Name(name, ast.Store())], node), *self._reading(kind)]
        return ast.Name(name, ast.Load())

    @staticmethod
    def _reading(kind: str, before: Sequence[ast.stmt] = ()) -> list[ast.stmt]:
        call = ast.Call(ast.Name("_clock", ast.Load()), [ast.Constant(kind)], [])
        return [ast.Expr(call), *before]


def text(parts: Mapping[str, float]) -> str:
    """Return parts and shares in words.

    >>> text({"matrix products": 0.625, "views and the rest": 0.3})
    'matrix products 62 %, views and the rest 30 %'
    """
    return ", ".join(f"{name} {100 * share:.0f} %" for name, share in parts.items())
