"""The small language of formulas: text to tree, by recursive descent.

``x'*A*x``, ``A.*B``, ``X^-1``, ``norm2(X*w-y)^2`` and lines ``h = relu(W*x+b); …`` before the formula; and all that the
printer of text writes: ``Xᵀ·A``, ``A ⊗ B``, ``u ⊙ v``, ``x∘²``, ``X⁻ᵀ``, ``I_n``, ``𝟏_n``, ``K_m,n``, ``where p = …``.
From loose to tight: sums, ⊗, ⊙, products and quotients (``* · / .* ./``, from the left), signs, powers and transposes.
"""

from __future__ import annotations

import re
from fractions import Fraction

from jacobians.formulas.brackets import BracketReader
from jacobians.formulas.functions import ALIASES, closest_function, known_function
from jacobians.formulas.size_sums import possible, sized
from jacobians.formulas.tokens import MOST_LETTERS, SUPERSCRIPTS, Token
from jacobians.formulas.tree import MOST_NESTED, FormulaError, Node, Program
from jacobians.names import class_name


def parse(source: str) -> Program:
    """Return the tree of a formula.

    Raises
    ------
    FormulaError
        If the text is no formula; the sentence names the part and says what was expected.

    Examples
    --------
    >>> parse("x'*A*x").body.op
    'mul'
    """
    if not isinstance(source, str):
        raise TypeError(
            f'formula: found an object of type {class_name(source)}, expected text such as "x\'*A*x"'
        )
    if len(source) > MOST_LETTERS:
        raise FormulaError(
            f"formula: found {len(source):,} letters, expected at most {MOST_LETTERS:,}; write parts on lines of their "
            f"own, `h = …;`, or derive them one by one"
        )
    return _Parser(source).program()


class _Parser(BracketReader):
    # --- lines ---------------------------------------------------------------------------------------------

    def program(self) -> Program:
        lets: list[tuple[str, Node]] = []
        body: Node | None = None
        while self.accept(";", "\n"):
            pass
        while self.next.kind != "end":
            if body is not None:
                raise self.fail("nothing more: the line before has no name; write `name = …;` or put it last")
            following = self.tokens[self.place + 1] if self.place + 1 < len(self.tokens) else self.next
            if self.next.kind == "name" and following.text == "=":
                lets.append(self.definition([name for name, _ in lets]))
            else:
                body = self.sum()
                if self.next.kind == "name" and self.next.text == "where":
                    lets += self.where()
            if self.next.kind != "end" and not self.accept(";", "\n"):
                if self.next.text == "=":
                    raise self.fail("one name before `=`")
                if self.next.kind == "op" and self.next.text in ")]":
                    raise self.fail("no closing bracket here: none is open")
                raise self.fail("a sign such as * between two factors, or the end")
            while self.accept(";", "\n"):
                pass
        if body is None:
            if lets:
                raise FormulaError(
                    f"formula: found only definitions, expected a formula last, such as {lets[-1][0]!r}"
                )
            raise FormulaError('formula: found an empty text, expected a formula such as "x\'*A*x"')
        return Program(self.source, tuple(lets), body)

    def definition(self, before: list[str]) -> tuple[str, Node]:
        token = self.take()
        if token.text in before:
            raise FormulaError(
                f"formula: found {token.text!r} defined twice, expected a new name for each line"
            )
        self.take()
        return token.text, self.sum()

    def where(self) -> list[tuple[str, Node]]:
        self.take()
        lets: list[tuple[str, Node]] = []
        while True:
            if self.next.kind != "name" or self.tokens[self.place + 1].text != "=":
                raise self.fail("`name = …` after `where`")
            lets.append(self.definition([name for name, _ in lets]))
            if not self.accept(","):
                return lets

    # --- expressions, loose to tight -------------------------------------------------------------------------

    def sum(self) -> Node:
        start = self.next.start
        self.level += 1
        if self.level > MOST_NESTED:
            raise FormulaError(
                f"formula: found more than {MOST_NESTED} brackets in one another, expected fewer; name parts on lines "
                f"of their own, `h = …;`"
            )
        terms = [self.kronecker()]
        while sign := self.accept("+", "-"):
            at = self.next.start
            term = self.kronecker()
            terms.append(self.node("neg", at, term) if sign.text == "-" else term)
        self.level -= 1
        return terms[0] if len(terms) == 1 else self.node("add", start, *terms)

    def kronecker(self) -> Node:
        start = self.next.start
        made, own = self.entrywise(), ""
        while token := self.accept("(x)", "∗"):
            op = "kron" if token.text == "(x)" else "khatri"
            right = self.entrywise()
            made = self.node(op, start, *(made.args if op == own else (made,)), right)
            own = op
        return made

    def entrywise(self) -> Node:
        start = self.next.start
        made, own = self.product(), ""
        while token := self.accept("(.)", "(/)"):
            op = "had" if token.text == "(.)" else "hdiv"
            right = self.product()
            made = self.node(op, start, *(made.args if op == own == "had" else (made,)), right)
            own = op
        return made

    def product(self) -> Node:
        start = self.next.start
        made, own = self.signed(), ""
        while True:
            token = self.accept("*", "/", ".*", "./")
            if token is None and not self.beside(made, own):
                return made
            op = {"*": "mul", "/": "div", ".*": "had", "./": "hdiv"}[token.text if token else "*"]
            right = self.signed() if token else self.powers()
            if op == own and op in ("mul", "had"):
                made = self.node(op, start, *made.args, right)
            else:
                made = self.node(op, start, made, right)
            own = op

    def beside(self, made: Node, own: str) -> bool:
        """Return whether the next word is a factor without a sign, as in x'A x; not after / and .*, nor in [A, B]."""
        token, before = self.next, self.tokens[self.place - 1]
        bar = token.text in ("|", "‖") and token.text not in self.open
        if (
            token.kind not in ("name", "eye", "ones", "zeros", "comm")
            and token.text not in ("(", "√")
            and not bar
        ):
            return False
        if (token.kind == "name" and token.text == "where") or self.open[-1:] == ["["]:
            return False
        if token.text.startswith("_") and before.end == token.start:  # ‖x‖_p is no ‖x‖·_p
            raise self.fail(
                "no index here: norms are ‖x‖, ‖x‖_1, ‖x‖_2 and ‖X‖_F, max(abs(x)) and nuclear(X) in place of others; "
                "entries are x[0]"
            )
        half = own == "div" and all(arg.op == "num" for arg in made.args) and before.end < token.start
        if own not in ("", "mul") and not half:
            raise self.fail("a sign or brackets: a/b c may be (a/b)*c or a/(b*c), and so with .* and ./")
        return True

    def signed(self) -> Node:
        signs = []
        while token := self.accept("-", "+"):
            signs.append(token)
        made = self.powers()
        negative = [token for token in signs if token.text == "-"]
        return self.node("neg", negative[0].start, made) if len(negative) % 2 else made

    def powers(self) -> Node:
        start = self.next.start
        made = self.primary()
        while True:
            if self.next.text == "'" and made.op == "num" and self.next.kind == "op":
                raise self.fail("ones(n)' for a row of ones; the transpose of a number is the number")
            if self.next.text == "**":
                raise self.fail("^ for powers of numbers and matrices, or .^ entry by entry")
            if self.accept("'"):
                made = self.node("T", start, made)
            elif token := self.accept("^", ".^"):
                if token.text == "^" and (turned := self.turned(made, start)) is not None:
                    made = turned
                else:
                    made = self.node("pow" if token.text == "^" else "epow", start, made, self.exponent())
            elif self.accept("∘"):
                exponent = self.superscript() if self.next.kind == "super" else None
                if exponent is None:
                    if not self.accept("^"):
                        raise self.fail("an exponent after ∘")
                    exponent = self.exponent()
                made = self.node("epow", start, made, exponent)
            elif self.next.kind == "super":
                made = self.raised(made, start)
            elif opened := self.accept("["):
                made = self.index(made, start, opened)
            else:
                return made

    def turned(self, base: Node, start: int) -> Node | None:
        """Return A^T or A^-T, where T is no name of the formula's own."""
        ahead = [token.text for token in self.tokens[self.place : self.place + 2]]
        if not self.transpose_is_t or "T" not in (ahead[0], ahead[-1] if ahead[0] == "-" else ""):
            return None
        self.place += 1 if ahead[0] == "T" else 2
        if ahead[0] == "-":
            base = self.node("pow", start, base, Node("num", value=Fraction(-1)))
        return self.node("T", start, base)

    def superscript(self) -> Node:
        token = self.take()
        digits = token.text.translate(SUPERSCRIPTS)
        if not re.fullmatch(r"-?\d+", digits):
            self.place -= 1
            raise self.fail("an exponent of digits")
        return Node("num", value=Fraction(int(digits)), span=(token.start, token.end))

    def raised(self, base: Node, start: int) -> Node:
        text = self.next.text
        if text.strip("ᵀ") == "":
            self.take()
            for _ in text:
                base = self.node("T", start, base)
            return base
        if text == "⁻ᵀ":
            token = self.take()
            one = Node("num", value=Fraction(-1), span=(token.start, token.end))
            return self.node("T", start, self.node("pow", start, base, one))
        return self.node("pow", start, base, self.superscript())

    def exponent(self) -> Node:
        start = self.next.start
        negative = bool(self.accept("-"))
        if not negative:
            self.accept("+")
        made = self.primary()
        return self.node("neg", start, made) if negative else made

    def primary(self) -> Node:
        token = self.next
        if token.kind == "number":
            self.take()
            exponent = re.search(r"[eE]([+-]?\d+)", token.text)
            if len(token.text) > 60 or (exponent is not None and abs(int(exponent[1])) > 300):
                self.place -= 1
                raise self.fail("a number of at most 60 digits and an exponent of at most 300")
            return self.node("num", token.start, value=Fraction(token.text))
        if token.kind in ("eye", "ones", "zeros", "comm"):
            sizes = tuple(sized(text) for text in token.sizes)
            if not all(map(possible, sizes)):
                raise self.fail("a size of at least 1")
            self.take()
            return self.node(token.kind, token.start, value=sizes[0] if len(sizes) == 1 else sizes)
        if token.kind == "name":
            return self.named()
        if opened := self.accept("("):
            inner = self.inside(opened)
            self.expect(")", opened)
            return Node(inner.op, inner.args, inner.value, (opened.start, self.tokens[self.place - 1].end))
        if opened := self.accept("|", "‖"):
            inner = self.inside(opened)
            if opened.text == "‖" and (closed := self.accept("‖_F", "‖_2", "‖_1")):
                return self.node("call", opened.start, inner, value=f"norm{closed.text[-1]}")
            self.expect(opened.text, opened)
            return self.node("call", opened.start, inner, value="abs" if opened.text == "|" else "norm2")
        if opened := self.accept("["):
            return self.stack(opened)
        if opened := self.accept("√"):
            return self.node("call", opened.start, self.primary(), value="sqrt")
        raise self.fail("a name, a number or an opening bracket")

    def inside(self, opened: Token) -> Node:
        """Return the sum behind an opening bracket or bar."""
        self.open.append(opened.text)
        inner = self.sum()
        self.open.pop()
        return inner

    def named(self) -> Node:
        token = self.take()
        opened = self.accept("(")
        if opened is None:
            return self.node("name", token.start, value=token.text)
        function = ALIASES.get(token.text, token.text)
        if not known_function(function):
            if self.chooses():
                return self.index(self.node("name", token.start, value=token.text), token.start, opened)
            self.place -= 2
            raise self.fail(
                f"a function that is known{closest_function(token.text)}, or a sign such as * before the bracket"
            )
        args: list[Node] = []
        options: list[tuple[str, int]] = []
        self.open.append("(")
        while not self.accept(")"):
            if (args or options) and not self.accept(","):
                self.expect(")", opened)
                break
            following = self.tokens[self.place + 1] if self.place + 1 < len(self.tokens) else self.next
            if self.next.kind == "name" and following.text == "=":
                options.append(self.option())
            elif token.text == "norm" and len(args) == 1:
                function = self.norm()
            else:
                args.append(self.comparison())
        self.open.pop()
        value = (function, *options) if options else function
        return self.node("call", token.start, *args, value=value)

    def norm(self) -> str:
        """Return which norm the second argument of norm(…, 'fro'), norm(…, 1), norm(…, 2) asks for."""
        ahead = "".join(token.text for token in self.tokens[self.place : self.place + 3])
        words = 3 if ahead == "'fro'" else 1
        if words == 1 and self.next.text not in ("1", "2"):
            raise self.fail("norm(…, 'fro'), norm(…, 1) or norm(…, 2)")
        self.place += words
        return "normF" if words == 3 else f"norm{self.tokens[self.place - 1].text}"

    def comparison(self) -> Node:
        """Return a sum, or a comparison of two as steps: 1 where it holds, 0 elsewhere."""
        start = self.next.start
        left = self.sum()
        token = self.accept(">", "<", ">=", "<=")
        if token is None:
            return left
        right = self.sum()
        larger, smaller = (left, right) if token.text in (">", "<=") else (right, left)
        difference = self.node("add", start, larger, self.node("neg", start, smaller))
        step = self.node("call", start, difference, value="step")
        if len(token.text) == 1:
            return step
        return self.node("add", start, Node("num", value=Fraction(1)), self.node("neg", start, step))

    def option(self) -> tuple[str, int]:
        name = self.take()
        self.take()
        negative = bool(self.accept("-"))
        if name.text != "axis" or self.next.kind != "number" or not self.next.text.isdigit():
            raise self.fail("axis=0 or axis=1, the only option of a function")
        return "axis", -int(self.take().text) if negative else int(self.take().text)
