"""Lines of words and signs as LaTeX text, such as those of the steps of a derivation."""

from __future__ import annotations

import re
import unicodedata

_SIGNS = {
    "∂": r"\partial", "·": r"\cdot", "⊙": r"\odot", "⊗": r"\otimes", "⊘": r"\oslash", "∗": r"\ast", "∘": r"\circ",
    "−": "-", "‖": r"\Vert", "×": r"\times", "≠": r"\neq", "≥": r"\geq", "≤": r"\leq", "√": r"\surd", "→": r"\to",
    "𝟏": r"\mathbf{1}", "′": "'", "…": r"\dots", "φ": r"\varphi", "λ": r"\lambda", "Λ": r"\Lambda",
}  # fmt: skip
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ᵏⁱᵖⁿᵘ", "0123456789-+kipnu", strict=True)) | {"ᵀ": r"\top"}
_LOWERED = "₀₁₂₃₄₅₆₇₈₉"
_IN_TEXT = {"^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "\\": r"\textbackslash{}"}
_SPECIAL = re.compile(f"[{''.join(_RAISED)}]+|[_#%&{{}}$^~<>\\\\]|[^\\x00-\\x7f]")


def words_in_latex(line: str) -> str:
    r"""Return a line as LaTeX text, with what text has not as mathematics.

    Examples
    --------
    >>> print(words_in_latex("df = gᵀ·dx"))
    \text{df = g$^{\top}$$\cdot$dx}
    """
    return rf"\text{{{_SPECIAL.sub(_sign, line)}}}"


def _sign(found: re.Match[str]) -> str:
    word = found[0]
    if word[0] in _RAISED:
        return f"$^{{{' '.join(_RAISED[letter] for letter in word)}}}$"
    if word in _LOWERED:
        return f"$_{_LOWERED.index(word)}$"
    if word in _IN_TEXT:
        return _IN_TEXT[word]
    if word in "_#%&{}$":
        return rf"\{word}"
    if word not in _SIGNS and "GREEK" in (letter := unicodedata.name(word, "")):
        name = letter.split()[-1].lower()
        return rf"$\{name.capitalize() if 'CAPITAL' in letter else name}$"
    return f"${_SIGNS.get(word, word)}$"
