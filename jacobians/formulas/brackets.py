"""Square brackets: chosen entries ``x[0:2]``, and parts beside and under one another ``[A, B; C, D]``."""

from __future__ import annotations

from abc import abstractmethod

from jacobians.formulas.token_reader import TokenReader
from jacobians.formulas.tokens import Token
from jacobians.formulas.tree import Node


class BracketReader(TokenReader):
    """Reads what stands in square brackets."""

    @abstractmethod
    def sum(self) -> Node:
        """Read a sum."""

    def index(self, of: Node, start: int, opened: Token) -> Node:
        """Return x[0], x[0:2], X[0,:], X[:,0:2]."""
        specs = [self._bound()]
        while self.accept(","):
            specs.append(self._bound())
        self.expect("]", opened)
        if len(specs) > 2:
            self.place -= 1
            raise self.fail("at most two indices, one of rows and one of columns")
        return self.node("index", start, of, value=(*specs, None)[:2])

    def _bound(self) -> int | tuple[int, int] | None:
        if self.accept(":"):
            return None
        first = self._whole_number()
        if not self.accept(":"):
            return first
        return first, self._whole_number()

    def _whole_number(self) -> int:
        if self.next.kind != "number" or not self.next.text.isdigit() or len(self.next.text) > 9:
            raise self.fail("an index from 0 on, or a slice such as 0:2")
        return int(self.take().text)

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
