"""The words of a text one by one, and the sentence that refuses one."""

from __future__ import annotations

from jacobians.formulas.tokens import Token, tokens
from jacobians.formulas.tree import MOST_NESTED, FormulaError, Node

MOST_SHOWN = 60
"""How many letters of a word a sentence repeats."""


class TokenReader:
    """Reads the words of a text from the left.

    Parameters
    ----------
    source : str
        The text.
    """

    def __init__(self, source: str) -> None:
        self.source, self.tokens, self.place, self.level = source, tokens(source), 0, 0
        self.open: list[str] = []  # brackets and bars that are not closed yet
        exponents = {
            k
            for k, t in enumerate(self.tokens)
            if t.text == "^" or (t.text == "-" and self.tokens[k - 1].text == "^")
        }
        self.transpose_is_t = all(k - 1 in exponents for k, t in enumerate(self.tokens) if t.text == "T")

    @property
    def next(self) -> Token:
        """The word that is not read yet."""
        return self.tokens[self.place]

    def take(self) -> Token:
        """Read a word."""
        token = self.next
        self.place += token.kind != "end"
        return token

    def accept(self, *texts: str) -> Token | None:
        """Read a sign if it is one of these."""
        token = self.next
        return self.take() if token.kind == "op" and token.text in texts else None

    def fail(self, expected: str) -> FormulaError:
        """Return the refusal of the next word."""
        token = self.next
        if token.kind == "end":
            what = "the end of the text"
        else:
            word = self.source[token.start : token.end]
            word = word if len(word) <= MOST_SHOWN else f"{word[:MOST_SHOWN]}…"
            what = f"{word!r} at letter {token.start + 1}"
        before = self.source[max(0, token.start - 20) : token.start].strip()
        return FormulaError(
            f"formula: found {what}{f' after {before!r}' if before else ''}, expected {expected}"
        )

    def expect(self, text: str, opened: Token) -> Token:
        """Read the sign that closes a bracket."""
        token = self.accept(text)
        if token is None:
            if self.next.kind in ("name", "number", "eye", "ones") or self.next.text == "(":
                if text == "]":
                    raise self.fail("a comma between parts beside one another, as in [A, B]")
                raise self.fail("a sign such as * between two factors")
            raise self.fail(f"{text!r}, for {opened.text!r} at letter {opened.start + 1} is not closed")
        return token

    def node(self, op: str, start: int, *args: Node, value: object = None) -> Node:
        """Return a node for the words from `start` on."""
        made = Node(op, args, value, (start, self.tokens[self.place - 1].end))
        if made.depth > MOST_NESTED:
            raise FormulaError(
                f"formula: found more than {MOST_NESTED} levels, expected fewer; name parts on lines of their own, "
                f"`h = …;`"
            )
        return made
