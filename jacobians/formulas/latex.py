"""A tree as LaTeX, and LaTeX as it is written here back to text for the parser."""

from __future__ import annotations

import re

from jacobians.formulas.functions import ELEMENTWISE, WHOLE
from jacobians.formulas.size_sums import is_sum
from jacobians.formulas.text import binding, bounds
from jacobians.formulas.tree import FormulaError, Node, is_number

_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "varepsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "τ": "tau", "φ": "varphi",
    "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi",
    "Σ": "Sigma", "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega", "Υ": "Upsilon",
}  # fmt: skip
_LETTERS = {command: letter for letter, command in _GREEK.items()}


def latex(node: Node) -> str:
    r"""Return a tree as LaTeX.

    Examples
    --------
    >>> from jacobians.formulas.parser import parse
    >>> latex(parse("(A+A')*x").body)
    '\\left(A + A^{\\top}\\right) x'
    """
    return _WRITERS[node.op](node)


def _in(node: Node, least: int) -> str:
    return latex(node) if binding(node) >= least else rf"\left({latex(node)}\right)"


def _name(node: Node) -> str:
    word = node.value
    if word in _GREEK:
        return f"\\{_GREEK[word]}"
    match = re.fullmatch(r"([A-Za-zͰ-Ͽ])(\d+)", word)
    if match is not None and match[1] not in "IK":  # I_{3} is the identity
        letter = f"\\{_GREEK[match[1]]}" if match[1] in _GREEK else match[1]
        return f"{letter}_{{{match[2]}}}"
    return word if len(word) == 1 else rf"\mathrm{{{word.replace('_', chr(92) + '_')}}}"


def _num(node: Node) -> str:
    sign, value = ("-" if node.value < 0 else ""), abs(node.value)
    return sign + (
        str(value.numerator)
        if value.denominator == 1
        else rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
    )


def _add(node: Node) -> str:
    out = _in(node.args[0], 1)
    for arg in node.args[1:]:
        if arg.op == "neg":
            out += f" - {_in(arg.args[0], 1)}"
        elif arg.op == "num" and arg.value < 0:
            out += f" - {_num(Node('num', value=-arg.value))}"
        else:
            out += f" + {_in(arg, 1)}"
    return out


def _mul(node: Node) -> str:
    out = ""
    for place, arg in enumerate(node.args):
        part = _in(arg, 5 if arg.op in ("mul", "neg") or (arg.op == "num" and place) else 3)
        out += f" {chr(92) + 'cdot ' if part[0].isdigit() or part[0] == '[' else ''}{part}" if out else part
    return out


def _power(node: Node) -> str:
    exponent = latex(node.args[1]) if node.args[1].op != "num" else str(node.args[1].value)
    return f"{_in(node.args[0], 7)}^{{{chr(92) + 'circ ' if node.op == 'epow' else ''}{exponent}}}"


def _transpose(node: Node) -> str:
    base = node.args[0]
    if base.op == "pow" and is_number(base.args[1], -1):
        return rf"{_in(base.args[0], 7)}^{{-\top}}"
    return rf"{_in(base, 7)}^{{\top}}"


def _call(node: Node) -> str:
    function, axis = (
        (node.value, "") if isinstance(node.value, str) else (node.value[0], f"_{{{node.value[1][1]}}}")
    )
    inner = ", ".join(map(latex, node.args))
    if function in ("norm2", "normF"):
        return rf"\left\lVert {inner} \right\rVert" + ("_{F}" if function == "normF" else "")
    if function == "sqrt":
        return rf"\sqrt{{{inner}}}"
    row = ELEMENTWISE[function] if function in ELEMENTWISE else WHOLE[function]
    command = row.latex or rf"\operatorname{{{function.replace('_', chr(92) + '_')}}}"
    return rf"{command}{axis}\left({inner}\right)"


def _zeros(node: Node) -> str:
    if max(map(len, node.value)) > 1:
        rows, columns = (" ".join(_atom(atom) for atom in size) or "1" for size in node.value)
        return rf"\operatorname{{zeros}}\left({rows}, {columns}\right)"
    rows, columns = map(_sizes, node.value)
    return rf"\mathbf{{0}}_{{{rows} \times {columns}}}"


def _atom(atom: str | int) -> str:
    return rf"\left({_sizes((atom,))}\right)" if is_sum(atom) else _name(Node("name", value=str(atom)))


def _sizes(size: tuple[str | int, ...]) -> str:
    if len(size) == 1:  # n+p, and (n+p) m in a product
        return str(size[0]).strip("()").replace("*", r" \cdot ")
    return " ".join(map(str, size)) or "1"


def _stack(node: Node) -> str:
    return f"[{('; ' if node.value == 'rows' else ', ').join(map(latex, node.args))}]"


_WRITERS = {
    "index": lambda node: f"{_in(node.args[0], 7)}[{bounds(node)}]".replace("*", r" \cdot "),
    "stack": _stack,
    "num": _num,
    "name": _name,
    "size": lambda node: " ".join(_atom(atom) for atom in node.value),
    "eye": lambda node: r" \otimes ".join(f"I_{{{_sizes((atom,))}}}" for atom in node.value) or "1",
    "ones": lambda node: (
        r" \otimes ".join(rf"\mathbf{{1}}_{{{_sizes((atom,))}}}" for atom in node.value) or "1"
    ),
    "zeros": _zeros,
    "comm": lambda node: f"K_{{{_sizes(node.value[0])},{_sizes(node.value[1])}}}",
    "add": _add,
    "neg": lambda node: f"-{_in(node.args[0], 3)}",
    "mul": _mul,
    "div": lambda node: rf"\frac{{{latex(node.args[0])}}}{{{latex(node.args[1])}}}",
    "had": lambda node: r" \odot ".join(_in(arg, 3) for arg in node.args),
    "hdiv": lambda node: r" \oslash ".join(_in(arg, 3) for arg in node.args),
    "kron": lambda node: r" \otimes ".join(_in(arg, 3) for arg in node.args),
    "khatri": lambda node: r" \ast ".join(_in(arg, 3) for arg in node.args),
    "T": _transpose,
    "pow": _power,
    "epow": _power,
    "call": _call,
}

# --- reading -------------------------------------------------------------------------------------------------

_FUNCTIONS = {row.latex: name for table in (ELEMENTWISE, WHOLE) for name, row in table.items() if row.latex}
_SIGNS = {
    r"\otimes": " ⊗ ",
    r"\ast": " ∗ ",
    r"\odot": " ⊙ ",
    r"\oslash": " ⊘ ",
    r"\cdot": " * ",
    "+": " + ",
    "-": " - ",
    "(": "(",
    ")": ")",
    r"\left(": "(",
    r"\right)": ")",
    ",": ", ",
    r"\left\lVert": "‖",
    r"\right\rVert": "‖",
    "=": "=",
    "/": " / ",
    "[": "[",
    "]": "]",
    ":": ":",
    ";": "; ",
}
_SPACES = (r"\quad", r"\qquad", r"\;", r"\,", r"\!")
_WORDS = re.compile(
    r"\\text\{ *where *\}|\\[;,!]"
    r"|\\left\(|\\right\)|\\left\\lVert|\\right\\rVert|\\operatorname\{[^{}]*\}|\\mathrm\{[^{}]*\}|\\mathbf\{[01]\}"
    r"|\\log\\det|\\[A-Za-z]+|\d+(?:\.\d+)?|[A-Za-zͰ-Ͽ]|[-+/(),=^_{}\[\]:;]"
)


_PEOPLES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^\s*(?:\$\$?|\\\(|\\\[)(.*?)(?:\$\$?|\\\)|\\\])\s*$", re.DOTALL), r"\1"),
    (re.compile(r"\\(?:mathbf|boldsymbol|bm)\s*\{([A-Za-zͰ-Ͽ]+)\}"), r"\1"),
    (
        re.compile(r"\^\s*(?:\{\s*)?(?:\\math(?:sf|rm|bf)\{T\}|\\top|\\intercal|T)(?![\w{])(?:\s*\})?"),
        r"^{\\top}",
    ),
    (re.compile(r"\^\s*(\d)"), r"^{\1}"),
)
"""What people write in place of what is written here."""


def text_of_latex(source: str) -> str:
    r"""Return LaTeX as text for the parser: as `latex` writes it, or between dollars, in bold, with T and 2 bare.

    Raises
    ------
    FormulaError
        If a part is none of what is written here.

    Examples
    --------
    >>> text_of_latex(r"\left(A + A^{\top}\right) x"), text_of_latex(r"$\mathbf{A}^T \mathbf{x}$")
    ("(A + A') * x", "A' * x")
    """
    for pattern, instead in _PEOPLES:
        source = pattern.sub(instead, source)
    words = []
    place = 0
    while place < len(source):
        if source[place].isspace():
            place += 1
            continue
        match = _WORDS.match(source, place)
        if match is None:
            raise FormulaError(f"latex: found {source[place:][:20]!r}, expected what .latex() writes")
        words.append(match[0])
        place = match.end()
    return _Reader(words).read("")


def _sized(sign: str, function: str, sizes: str) -> str:
    """Return I_n, or eye(n_1) for a size that has an underscore of its own."""
    parts = [f"({part})" if re.search("[-+*]", part) else part for part in re.split("[×,]", sizes)]
    if "_" in sizes:
        return f"{function}({', '.join(parts)})"
    return f"{sign}_{('×' if '×' in sizes else ',').join(parts)}"


class _Reader:
    def __init__(self, words: list[str]) -> None:
        self.words, self.place = words, 0

    def group(self) -> str:
        """Return the text of a group in braces."""
        if self.place >= len(self.words) or self.words[self.place] != "{":
            raise FormulaError("latex: found no opening brace, expected a group in braces")
        self.place += 1
        return self.read("}")

    def raw(self) -> str:
        """Return the words of a group in braces as they are, or one word alone."""
        if self.place >= len(self.words):
            raise FormulaError("latex: found the end of the text, expected a size behind _")
        if self.words[self.place] != "{":
            self.place += 1
            return self.words[self.place - 1]
        if "}" not in self.words[self.place :]:
            raise FormulaError("latex: found no closing brace, expected a group in braces")
        end = self.words.index("}", self.place)
        words = self.words[self.place + 1 : end]
        self.place = end + 1
        return "".join({r"\times": "×", r"\cdot": "*"}.get(word, word) for word in words)

    def read(self, end: str) -> str:
        out, operand = "", False
        while self.place < len(self.words):
            word = self.words[self.place]
            self.place += 1
            if word == end:
                return out
            if word == "^":
                out += self.exponent()
                continue
            if word in _SPACES:
                continue
            if word.startswith(r"\text"):
                out, operand = out + " where ", False
                continue
            if word in _SIGNS:
                opens = word in (r"\left(", "(", r"\left\lVert", "[")
                if opens and operand and word != "[":
                    out += " * "
                out += _SIGNS[word]
                operand = word in (r"\right)", ")", r"\right\rVert", "]")
                if word == r"\right\rVert" and self.words[self.place : self.place + 4] == [
                    "_",
                    "{",
                    "F",
                    "}",
                ]:
                    out, self.place = out + "_F", self.place + 4
                continue
            part, function = self.part(word)
            out += f" * {part}" if operand else part
            operand = not function
        return out

    def exponent(self) -> str:
        group = self.words[self.place : self.place + 4]
        if group[:3] == ["{", r"\top", "}"]:
            self.place += 3
            return "'"
        if group == ["{", "-", r"\top", "}"]:
            self.place += 4
            return "^(-1)'"
        entrywise = group[1:2] == [r"\circ"]
        if entrywise:
            self.words[self.place + 1 : self.place + 2] = []
        return f"{'.^' if entrywise else '^'}({self.group()})"

    def subscript(self) -> str:
        if self.words[self.place : self.place + 1] == ["_"]:
            self.place += 1
            return self.raw()
        return ""

    def part(self, word: str) -> tuple[str, bool]:
        """Return an operand's text, and whether it is a function that waits for its bracket."""
        if word == r"\frac":
            above, below = self.group(), self.group()
            return f"(({above})/({below}))", False
        if word == r"\sqrt":
            return f"sqrt({self.group()})", False
        if word.startswith(r"\mathrm"):
            return word[8:-1].replace("\\_", "_"), False
        if word == r"\mathbf{1}":
            return _sized("𝟏", "ones", self.subscript()), False
        if word == r"\mathbf{0}":
            return _sized("0", "zeros", self.subscript()), False
        name = word[14:-1].replace("\\_", "_") if word.startswith(r"\operatorname") else _FUNCTIONS.get(word)
        if name is not None:
            return self.function(name), True
        letter = _LETTERS.get(word[1:], word)
        if letter.startswith("\\"):
            raise FormulaError(f"latex: found {word!r}, expected what .latex() writes")
        below = self.subscript()
        if below and letter in ("I", "K"):
            return _sized(letter, "eye" if letter == "I" else "K", below), False
        return letter + below, False

    def function(self, name: str) -> str:
        axis = self.subscript()
        if not axis:
            return name
        depth, place = 0, self.place
        while place < len(self.words):  # the axis goes behind the argument
            depth += self.words[place] in (r"\left(", "(")
            depth -= self.words[place] in (r"\right)", ")")
            if depth == 0:
                self.words[place:place] = [",", r"\mathrm{axis}", "=", axis]
                break
            place += 1
        return name
