"""The words of a formula's text."""

from __future__ import annotations

import re
from typing import NamedTuple

from jacobians.formulas.tree import FormulaError

MOST_LETTERS = 20_000
"""How long a formula may be."""

SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_WORD = r"(?:(?![ᵀ⁰¹²³⁴⁵⁶⁷⁸⁹])\w)"
_SIZE = r"(?:(?:(?![ᵀ⁰¹²³⁴⁵⁶⁷⁸⁹])[^\W_])+|\([\w *·+−-]+\))"
_TOKENS = re.compile(
    rf"""(?P<space>[ \t\r]+)
    |(?P<comm>K_(?P<commm>{_SIZE}),(?P<commn>{_SIZE}))
    |(?P<eye>I_(?P<eyen>{_SIZE}))
    |(?P<ones>𝟏_(?P<onesn>{_SIZE}))
    |(?P<zeros>0_(?P<zerosm>{_SIZE})(?:×(?P<zerosn>{_SIZE}))?)
    |(?P<number>(?:\d+(?:\.(?![*/^'])\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<name>(?!\d){_WORD}+)
    |(?P<super>⁻?[ᵀ⁰¹²³⁴⁵⁶⁷⁸⁹]+)
    |(?P<op>\*\*|\.\*|\./|\.\^|\.'|\.m?T(?!{_WORD})|(?:\|\||‖)(?:_[F12](?!{_WORD}))?|>=|<=|[-+*/^'()\[\],;=<>\n·⊙⊗⊘∗∘−×|√:@])""",
    re.VERBOSE,
)
_SAME = {"·": "*", "−": "-", "⊙": "(.)", "⊗": "(x)", "⊘": "(/)", ".'": "'", "@": "*", ".T": "'", ".mT": "'"}


class Token(NamedTuple):
    """A word of the text, with its place."""

    kind: str
    text: str
    start: int
    end: int
    sizes: tuple[str, ...] = ()


def tokens(source: str) -> list[Token]:
    """Return the words of a text, spaces left out, and lines within brackets joined."""
    found, place, depth = [], 0, 0
    while place < len(source):
        match = _TOKENS.match(source, place)
        if match is None:
            raise FormulaError(
                f"formula: found {source[place]!r} at letter {place + 1}, expected names, numbers, brackets and "
                f"+ - * / ^ ' .* ./ .^"
            )
        kind = match.lastgroup or ""
        kind = next(
            k for k in ("space", "comm", "eye", "ones", "zeros", "number", "name", "super", "op") if match[k]
        )
        text = match[kind]
        if kind != "space":
            sizes = tuple(match[f"{kind}{end}"] or "" for end in "mn" if f"{kind}{end}" in match.groupdict())
            depth += (text in ("(", "[")) - (text in (")", "]"))
            if not (text == "\n" and depth > 0):
                found.append(Token(kind, _SAME.get(text, text).replace("||", "‖"), place, match.end(), sizes))
        place = match.end()
    return [*found, Token("end", "", len(source), len(source))]
