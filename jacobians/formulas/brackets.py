"""Square brackets: chosen entries ``x[0:2]``, and parts beside and under one another ``[A, B; C, D]``."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from jacobians.formulas.size_sums import Linear, Place, linear, plus, size_of
from jacobians.formulas.token_reader import TokenReader
from jacobians.formulas.tokens import Token
from jacobians.formulas.tree import Node


class BracketReader(TokenReader):
    """Reads what stands in square brackets."""

    @abstractmethod
    def sum(self) -> Node:
        """Read a sum."""

    def index(self, of: Node, start: int, opened: Token) -> Node:
        """Return x[0], x[1:], x[-1], X[:,0:2]; and in round brackets x(1), x(2:end), counted from 1."""
        first = 1 if opened.text == "(" else 0
        self.open.append("[")
        specs = [self._bound(first)]
        while self.accept(","):
            specs.append(self._bound(first))
        self.open.pop()
        self.expect(")" if first else "]", opened)
        if len(specs) > 2:
            self.place -= 1
            raise self.fail("at most two indices, one of rows and one of columns")
        return self.node("index", start, of, value=(*specs, None)[:2])

    def chooses(self) -> bool:
        """Return whether what follows an opening bracket is an index that counts from 1: x(2:end), x(end), x(3)."""
        depth, words = 0, []
        for token in self.tokens[self.place :]:
            depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
            if depth < 0 or token.kind == "end":
                break
            words.append(token)
        numbers = len(words) % 2 == 1 and all(
            word.text == "," if k % 2 else word.text.isdigit() and word.text != "0"
            for k, word in enumerate(words)
        )
        return numbers or any(word.text in (":", "end") for word in words)

    def _bound(self, first: int) -> int | tuple[Place, Place] | None:
        start: int | tuple[Any, ...] = 0
        if not self.accept(":"):
            start = self._place(first)
            if not self.accept(":"):
                if isinstance(start, int):
                    return start
                return start, size_of(plus(linear(start), {(): 1}))
        if self.next.text in (",", "]", ")"):
            return None if start == 0 else (start, None)
        stop = self._place(first)
        if first and isinstance(stop, int):  # the last entry, counted from 1, is one before the stop from 0
            return None if start == 0 and stop == -1 else (start, None if stop == -1 else stop + 1)
        return start, size_of(plus(linear(stop), {(): 1})) if first and isinstance(stop, tuple) else stop

    def _place(self, first: int) -> int | tuple[Any, ...]:
        """Return a number, negative from the end, or a size; `end` counts as -1 where indices count from 1."""
        at, signs = self.place, 1
        total: Linear = {}
        while True:
            signs = -1 if self.accept("-") else signs
            token = self.take()
            factors = [token]
            while self.accept("*"):
                factors.append(self.take())
            if any(not (f.kind == "name" or (f.kind == "number" and f.text.isdigit() and len(f.text) < 10))
                   for f in factors):  # fmt: skip
                self.place = at
                raise self.fail("an index such as 0 or -1, or a slice such as 0:2, 1: or :-1")
            total = plus(total, linear(int(f.text) if f.kind == "number" else f.text for f in factors), signs)
            if self.next.text not in ("+", "-"):
                break
            signs = -1 if self.next.text == "-" else 1
            self.take()
        ends = total.pop(("end",), 0)
        if ends and (not first or ends != 1 or not set(total) <= {()}):
            self.place = at
            raise self.fail(
                "end in round brackets, and numbers beside it, as in x(2:end-1); x[1:-1] counts from 0"
            )
        if set(total) <= {()}:
            number = total.get((), 0)
            if first and (number > 0 if ends else number < 1):
                self.place = at
                raise self.fail("an index from 1 to end in round brackets; x[0] counts from 0")
            return number - (first or ends)
        return size_of(plus(total, {(): -first}))

    def stack(self, opened: Token) -> Node:
        """Return [A, B; C, D]: parts beside one another, rows under one another."""
        rows: list[Node] = []
        self.open.append("[")
        while True:
            start = self.next.start
            parts = [self.sum()]
            while self.accept(","):
                parts.append(self.sum())
            rows.append(parts[0] if len(parts) == 1 else self.node("stack", start, *parts, value="columns"))
            while self.accept("\n"):
                pass
            if not self.accept(";"):
                break
        self.open.pop()
        self.expect("]", opened)
        return rows[0] if len(rows) == 1 else self.node("stack", opened.start, *rows, value="rows")
