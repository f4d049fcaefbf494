"""Recorded operations as lines of plain NumPy, each with the shape of its result and what it costs."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from backprop.compiling.memory import LEAST_KEPT, Memory, Uses
from backprop.compiling.nodes import Node, error_state
from jacobians.cost import ZERO_COST, Cost
from jacobians.numerics.arrays import Array

_INFIX = {
    "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "matmul": "@",
    "greater": ">", "greater_equal": ">=", "less": "<", "less_equal": "<=", "equal": "==", "not_equal": "!=",
    "bitwise_and": "&", "bitwise_or": "|", "remainder": "%", "floor_divide": "//",
}  # fmt: skip
_MOST_INLINE = 60  # characters of an expression that may stand inside another
_NAME = re.compile(r"\bt\d+\b")
_MOST_WRITTEN = 8  # entries of an array that is written out


def needed(nodes: Sequence[Node], results: Iterable[Node], *, everything_counted: bool) -> list[Node]:
    """Return the nodes that the results depend on, in order.

    Parameters
    ----------
    nodes : sequence of Node
    results : iterable of Node
    everything_counted : bool
        Whether nodes with a cost stay although nothing depends on them: a plan is executed as a whole.
    """
    live = {id(node) for node in results} | {id(node.root) for node in results}
    kept = []
    for node in reversed(nodes):
        changes = node.kind == "write" and id(node.args[0].root) in live
        if id(node) in live or changes or (everything_counted and node.cost != ZERO_COST):
            kept.append(node)
            for operand in node.operands():
                live |= {id(operand), id(operand.root)}
    return kept[::-1]


def literal(value: Array) -> str | None:
    """Return an expression for an array that is easily written, None for any other.

    Examples
    --------
    >>> literal(np.eye(3)), literal(np.arange(5)), literal(np.ones((2, 3), np.float32)), literal(np.array(2.5))
    ('np.eye(3)', 'np.arange(5)', 'np.ones((2, 3), dtype=np.float32)', 'np.float64(2.5)')
    """
    dtype = value.dtype.name
    typed = "" if dtype == "float64" else f", dtype=np.{dtype}"
    if value.ndim == 0:
        return f"np.{dtype}({value.item()!r})" if np.isfinite(value) else None
    if value.size == 0:
        return f"np.zeros({value.shape}{typed})"
    if value.ndim == 1 and value.dtype == np.intp and np.array_equal(value, value[0] + np.arange(value.size)):
        first, last = int(value[0]), int(value[-1]) + 1
        return f"np.arange({last})" if first == 0 else f"np.arange({first}, {last})"
    if value.ndim > 1 and len(value) > 1 and (value == value[:1]).all() and value.dtype == np.intp:
        line = literal(value[0])
        return f"np.broadcast_to({line}, {value.shape})" if line else None
    if value.ndim > 1 and value.dtype == np.intp and literal(value.ravel()):
        return f"np.reshape({literal(value.ravel())}, {value.shape})"
    for fill, function in ((0, "zeros"), (1, "ones")):
        if (value == fill).all():
            return f"np.{function}({value.shape}{typed})"
    if value.ndim == 2 and np.array_equal(value, np.eye(*value.shape)):
        sizes = (
            f"{value.shape[0]}" if value.shape[0] == value.shape[1] else f"{value.shape[0]}, {value.shape[1]}"
        )
        return f"np.eye({sizes}{typed})"
    if value.ndim > 2 and 1 in value.shape and (squeezed := literal(value.squeeze())):
        return f"np.reshape({squeezed}, {value.shape})"
    if value.size <= _MOST_WRITTEN and np.isfinite(value).all():
        return f"np.array({value.tolist()}, dtype=np.{dtype})"
    if value.ndim == 1 and value.dtype == np.intp:
        return _runs(value)
    return None


def _runs(value: Array) -> str | None:
    """Return integers as few runs of consecutive or equal ones, None where there are many."""
    steps = np.diff(value)
    ends = [*(np.flatnonzero(np.diff(steps)) + 1).tolist(), value.size - 1]
    parts: list[str] = []
    start = 0
    while start < value.size and len(parts) <= 4:
        end = max((next(e for e in ends if e > start) if start < value.size - 1 else start), start)
        step = int(steps[start]) if start < end else 0
        if step not in (0, 1):
            end, step = start, 0
        first, count = int(value[start]), end - start + 1
        parts.append(f"np.full({count}, {first})" if step == 0 else f"np.arange({first}, {first + count})")
        start = end + 1
    return None if start < value.size else f"np.concatenate(({', '.join(parts)},))"


class Printer:
    """Turns nodes into lines; names are given as they are needed.

    Parameters
    ----------
    nodes : sequence of Node
        All that will be printed, in order.
    results : sequence of Node
        What is returned in the end.
    constants : dict of str to numpy.ndarray, optional
        Where constants without a short expression go, by their new name; by default they are written out.
    memory : Memory, optional
        Where large results are written; by default each one makes its own array.
    out : str
        What the argument is called that takes the result.
    given : dict of int to str, optional
        By the ids of nodes: what arrays are called that take their results, or stand for None.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        results: Sequence[Node],
        constants: dict[str, Array] | None = None,
        *,
        memory: Memory | None = None,
        out: str = "out",
        given: dict[int, str] | None = None,
    ) -> None:
        self.memory, self.out, self.given = memory, out, given or {}
        self.constants = constants
        self.names: dict[int, str] = {}
        self.inlined: dict[int, str] = {}
        self.uses = memory.uses if memory else Uses(nodes, results)
        self.counts = {"t": 0, "k": 0}
        self.large: set[str] = set()

    # --- lines -----------------------------------------------------------------------------------------

    def lines(self, nodes: Sequence[Node], *, prefix: str = "t", last_out: Node | None = None) -> list[str]:
        """Return the lines of some nodes, in order, under the error states that they were recorded in.

        Parameters
        ----------
        nodes : sequence of Node
        prefix : str
            How names begin: "t" for what is computed by each call, "k" for what is computed once.
        last_out : Node, optional
            A node whose result is written into the argument `out`.
        """
        found: list[str] = []
        state: dict[str, str] = {}
        usual = error_state()
        for node in nodes:
            line = self._line(node, prefix, out=node is last_out)
            if line is None:
                continue
            own = {key: value for key, value in node.errors.items() if value == "ignore" != usual[key]}
            if own != state and own:
                arguments = ", ".join(f"{key}={value!r}" for key, value in own.items())
                found.append(f"with np.errstate({arguments}):")
            state = own
            found.append(f"    {line}" if own else line)
        return found

    def _line(self, node: Node, prefix: str, *, out: bool) -> str | None:
        if node.kind == "input":
            self.names[id(node)] = node.function
            return None
        if node.kind == "constant":
            return self._constant(node, prefix)
        target = self.out if out else self.given.get(id(node)) or self._target(node)
        text = self.expression(node, out=target)
        if node.kind == "write":
            return f"{text}{comment(None, node.cost)}"
        # what is computed once has a name of its own, so that no call computes it again
        if prefix == "t" and self._stands_inside(node, text):
            self.inlined[id(node)] = text
            return None
        name = self._name(prefix)
        self.names[id(node)] = name
        fresh = self.memory is None or not self.memory.is_kept(node)
        if prefix == "t" and fresh and math.prod(node.shape) >= LEAST_KEPT:
            self.large.add(name)
        return f"{name} = {text}{comment(node.shape, node.cost)}"

    def _constant(self, node: Node, prefix: str) -> str | None:
        assert node.value is not None
        text = None if node.function else literal(node.value)
        if text is None and self.constants is None:
            text = f"np.array({node.value.tolist()}, dtype=np.{node.value.dtype.name})"
        if text is not None:
            if node.value.ndim == 0 or (prefix == "t" and self.uses.count[id(node)] < 2):
                self.inlined[id(node)] = text
                return None
            self.names[id(node)] = self._name("k")
            return f"{self.names[id(node)]} = {text}"
        assert self.constants is not None
        self.names[id(node)] = node.function or self._name("k")
        self.constants[self.names[id(node)]] = node.value
        return None

    def _name(self, prefix: str) -> str:
        self.counts[prefix] += 1
        return f"{prefix}{self.counts[prefix]}"

    def _stands_inside(self, node: Node, text: str) -> bool:
        """Return whether an expression may stand inside the only one that uses it."""
        if self.uses.count[id(node)] != 1 or node.cost != ZERO_COST or len(text) > _MOST_INLINE:
            return False
        if node.changing or id(node.root) in self.uses.written:
            return False
        user = self.uses.last[id(node)]
        if self.memory and (self.memory.owns_line(node) or self.memory.is_spare(node, user)):
            return False
        return not node.errors or node.errors == user.errors

    def freed(self, lines: Sequence[str], kept: str) -> list[str]:
        """Return lines with a ``del`` behind the last one that reads a large array, so that its memory is taken again.

        Parameters
        ----------
        lines : sequence of str
            All lines of a function's body, as :meth:`lines` returns them.
        kept : str
            What is returned: its names stay.
        """
        last = {name: place for place, line in enumerate(lines) for name in _NAME.findall(line)}
        ends: dict[int, list[str]] = {}
        for name in sorted(self.large - set(_NAME.findall(kept)), key=lambda name: int(name[1:])):
            if name in last:
                ends.setdefault(last[name], []).append(name)
        found = []
        for place, line in enumerate(lines):
            found.append(line)
            if place in ends:
                indent = line[: len(line) - len(line.lstrip())]
                found.append(f"{indent}del {', '.join(ends[place])}")
        return found

    # --- expressions -----------------------------------------------------------------------------------

    def operand(self, value: Any, *, inside: bool = False) -> str:
        """Return an argument; `inside` an expression of operators it stands in brackets."""
        if isinstance(value, Node):
            if id(value) in self.names:
                return self.names[id(value)]
            text = self.inlined[id(value)]
            return f"({text})" if inside and _is_infix(value) and not self._is_dot(value) else text
        if isinstance(value, tuple):
            inner = ", ".join(self.operand(part) for part in value)
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        if isinstance(value, list):
            return f"[{', '.join(self.operand(part) for part in value)}]"
        if isinstance(value, slice):
            parts = [value.start, value.stop] + ([value.step] if value.step is not None else [])
            if any(isinstance(part, Node) for part in parts):
                return f"slice({', '.join(self.operand(part) for part in parts)})"
            if value == slice(None):
                return "slice(None)"
            return f"slice({value.start}, {value.stop}, {value.step})"
        if isinstance(value, np.dtype):
            return f"np.{value.name}"
        if isinstance(value, type) and issubclass(value, np.generic):
            return f"np.{np.dtype(value).name}"
        if isinstance(value, type):
            return value.__name__
        if isinstance(value, float) and not np.isfinite(value):
            text = {"nan": "np.nan", "inf": "np.inf", "-inf": "-np.inf"}[str(float(value))]
            return f"({text})" if inside else text
        if isinstance(value, np.generic):
            return f"np.{value.dtype.name}({value.item()!r})"
        if value is Ellipsis:
            return "..."
        text = repr(value)
        return f"({text})" if inside and text.startswith("-") else text

    def _key(self, key: Any) -> str:
        """Return what stands between the square brackets."""
        parts = key if isinstance(key, tuple) else (key,)
        written = []
        for part in parts:
            if isinstance(part, slice):
                ends = ["" if end is None else self.operand(end) for end in (part.start, part.stop)]
                step = "" if part.step is None else f":{self.operand(part.step)}"
                written.append(f"{ends[0]}:{ends[1]}{step}")
            else:
                written.append(self.operand(part))
        return ", ".join(written) + ("," if isinstance(key, tuple) and len(parts) == 1 else "")

    def _target(self, node: Node) -> str:
        """Return the name of an array that takes a result, "" for a fresh one."""
        if self.memory is None:
            return ""
        operand = self.memory.operand(node)
        return self.memory.view(node) if operand is None else self.names[id(operand)]

    def _is_dot(self, node: Node) -> bool:
        """Return whether a product can be written as a.dot(b): the same numbers, by a shorter way through NumPy."""
        matmul = node.kind == "ufunc" and node.function is np.matmul and not node.options
        return self.memory is not None and matmul and all(0 < len(part.shape) <= 2 for part in node.args)

    def expression(self, node: Node, *, out: str = "") -> str:
        """Return the right side of a node's line."""
        match node.kind:
            case "item":
                return f"{self.operand(node.args[0], inside=True)}[{self._key(node.args[1])}]"
            case "attribute":
                return f"{self.operand(node.args[0], inside=True)}.{node.function}"
            case "method":
                rest = ", ".join(self.operand(part) for part in node.args[1:])
                return f"{self.operand(node.args[0], inside=True)}.{node.function}({rest})"
            case "write" if node.method == "setitem":
                target, key, value = node.args
                return f"{self.operand(target)}[{self._key(key)}] = {self.operand(value)}"
            case "ufunc" if self._is_dot(node):
                into = f", out={out}" if out else ""
                return f"{self.operand(node.args[0], inside=True)}.dot({self.operand(node.args[1])}{into})"
            case "ufunc" if not out and node.method == "__call__" and not node.options:
                name = node.function.__name__
                if name in _INFIX:
                    left, right = (self.operand(part, inside=True) for part in node.args)
                    return f"{left} {_INFIX[name]} {right}"
                if name == "negative":
                    return f"-{self.operand(node.args[0], inside=True)}"
        if node.kind == "function" and node.function is np.reshape and isinstance(node.args[0], Node):
            return f"{self.operand(node.args[0], inside=True)}.reshape({node.args[1]})"
        arguments = [self.operand(part) for part in node.args]
        arguments += [f"{key}={self.operand(value)}" for key, value in node.options.items()]
        if out:
            arguments.append(f"out={out}")
        method = (
            f".{node.method}" if isinstance(node.function, np.ufunc) and node.method != "__call__" else ""
        )
        return f"{function_name(node.function)}{method}({', '.join(arguments)})"


def _is_infix(node: Node) -> bool:
    plain = node.kind == "ufunc" and node.method == "__call__" and not node.options
    return plain and node.function.__name__ in (*_INFIX, "negative")


def function_name(function: Any) -> str:
    """Return how a function is called: ``np.where``, ``np.linalg.inv``, ``special.erfc``, ``tanh_slope``."""
    name = function.__name__
    module = getattr(function, "__module__", None) or ""
    if "linalg" in module:
        return f"np.linalg.{name}"
    if module.startswith(("jacobians.", "backprop.")):
        return str(name)
    if module.startswith("numpy.lib"):
        return f"{module.replace('numpy', 'np')}.{name}" if not hasattr(np, name) else f"np.{name}"
    return f"np.{name}" if hasattr(np, name) else f"special.{name}"


def imports(nodes: Iterable[Node]) -> str:
    """Return the lines that import what the nodes' functions are called by."""
    lines = {"import numpy as np\n"}
    for function in (node.function for node in nodes if not isinstance(node.function, str)):
        name = function_name(function)
        if name.startswith("special."):
            lines.add("from scipy import special\n")
        elif "." not in name:
            lines.add(f"from {function.__module__} import {name}\n")
    return "".join(sorted(lines, key=lambda line: (line.startswith("from"), line)))


def comment(shape: tuple[int, ...] | None, cost: Cost) -> str:
    """Return shape and cost as a comment; a cost of zero is left out."""
    parts = [] if shape is None else [str(shape)]
    if cost != ZERO_COST:
        parts.append(str(cost))
    return f"  # {', '.join(parts)}" if parts else ""
