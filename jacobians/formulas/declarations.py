"""What is said of a formula's names: sizes and assumptions, ``"h×d"``, ``"symmetric positive definite n×n"``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jacobians.formulas.size_sums import possible, sized
from jacobians.formulas.tree import FormulaError
from jacobians.numerics.arguments import near, shown

ASSUMPTIONS = {
    "positive definite": {"positive definite", "symmetric", "invertible"},
    "spd": {"positive definite", "symmetric", "invertible"},
    "symmetric": {"symmetric"},
    "diagonal": {"diagonal", "symmetric"},
    "orthogonal": {"orthogonal", "invertible"},
    "probability": {"probability", "positive"},
    "positive": {"positive"},
    "invertible": {"invertible"},
    "square": {"square"},
}
"""What each word says, with all that follows from it."""

SHORT = {
    "sym": "symmetric", "pd": "positive definite", "diag": "diagonal", "orth": "orthogonal", "prob": "probability",
    "unitary": "orthogonal", "nonsingular": "invertible",
}  # fmt: skip
"""What people write for them, which is no name of a size."""

_SQUARE = {"symmetric", "diagonal", "orthogonal", "invertible", "square", "positive definite"}
_SUM = r"\((?:[^\W\d_]\w*|\d+)(?: *[-+*] *(?:[^\W\d_]\w*|\d+))*\)"
_SIZE = rf"(?:[^\W\d_]\w*?|\d+|{_SUM})"
_PAIR = re.compile(rf"({_SIZE})\s*(?:×|x|\*|,|\bby\b)\s*([^\W\d_]\w*|\d+|{_SUM})")
_ONE = re.compile(rf"[^\W\d_]\w*|\d+|{_SUM}")
_EXPECTED = "sizes such as 'm×n', 'n' (a column), '1×n' (a row) or 'scalar', and words such as 'symmetric'"


@dataclass(frozen=True)
class Declaration:
    """What is known of a name: sizes of rows and columns (None where not said) and assumptions."""

    kind: str = ""
    sizes: tuple[str, ...] | None = None
    tags: frozenset[str] = field(default_factory=frozenset)

    def as_symmetric(self, name: str) -> Declaration:
        """Return this with symmetry, where the name can be a square matrix."""
        square = self.sizes is None or self.sizes[0] == self.sizes[1]
        if not square or self.kind not in ("", "matrix") or not (self.kind or name[:1].isupper()):
            return self
        return replace(self, kind="matrix", tags=self.tags | {"symmetric", "square"})


def declaration(name: str, said: Any) -> Declaration:
    """Return what was said of a name.

    Raises
    ------
    FormulaError
        If it is not understood.

    Examples
    --------
    >>> declaration("S", "symmetric n×n").sizes
    ('n', 'n')
    """
    if isinstance(said, Declaration):
        return said
    if isinstance(said, tuple | list) and 0 < len(said) <= 2:
        said = "×".join(str(size) for size in said)
    if isinstance(said, int) and not isinstance(said, bool):
        said = str(said)
    if not isinstance(said, str) or len(said) > 200:
        raise FormulaError(f"declare[{name!r}]: found {shown(said)}, expected {_EXPECTED}")
    tags: set[str] = set()
    left, kind = " ".join(said.split()), ""
    for word, meaning in ASSUMPTIONS.items():
        pattern = re.compile(rf"(?<![\w]){word.replace(' ', '[ -]')}(?![\w])", re.IGNORECASE)
        if pattern.search(left):
            left, tags = pattern.sub(" ", left), tags | meaning
    for word in ("scalar", "number", "vector", "column", "row", "matrix"):
        pattern = re.compile(rf"\b{word}\b", re.IGNORECASE)
        if pattern.search(left):
            left = pattern.sub(" ", left)
            kind = (
                {"number": "scalar", "vector": "column"}.get(word, word) if kind in ("", "column") else kind
            )
    left = left.strip(" ,")
    sizes: tuple[str, ...] | None = None
    if left:
        pair, one = _PAIR.fullmatch(left), _ONE.fullmatch(left)
        if pair is None and one is None:  # (h, d), as NumPy writes shapes
            left = left.replace("(", " ").replace(")", " ").strip(" ,")
            pair, one = _PAIR.fullmatch(left), _ONE.fullmatch(left)
        if pair is not None:
            sizes = (pair[1], pair[2])
        elif one is not None and (hint := near(left.lower(), ASSUMPTIONS, SHORT)):
            raise FormulaError(f"declare[{name!r}]: found {shown(said)}, expected {_EXPECTED}{hint}")
        elif one is not None:
            sizes = (left, left) if tags & _SQUARE else ("1", left) if kind == "row" else (left, "1")
        else:
            raise FormulaError(f"declare[{name!r}]: found {shown(said)}, expected {_EXPECTED}")
        if "0" in sizes or not all(possible(sized(size)) for size in sizes):
            what = "of 0" if "0" in sizes else "below 1"
            raise FormulaError(
                f"declare[{name!r}]: found a size {what} in {shown(said)}, expected at least 1"
            )
        if kind == "scalar" and sizes != ("1", "1"):
            raise FormulaError(
                f"declare[{name!r}]: found {shown(said)}, expected a scalar or sizes, not both"
            )
    if kind == "scalar" and tags - {"positive", "probability"}:
        raise FormulaError(
            f"declare[{name!r}]: found {shown(said)}, expected no assumption on a matrix for a scalar"
        )
    if tags & _SQUARE:
        if sizes is not None and sizes[0] != sizes[1]:
            raise FormulaError(
                f"declare[{name!r}]: found {shown(said)}, expected a square size for such a matrix"
            )
        kind = kind or "matrix"
        tags |= {"square"}
    if sizes is not None and not kind:
        kind = (
            "scalar"
            if sizes == ("1", "1")
            else "row"
            if sizes[0] == "1"
            else "column"
            if sizes[1] == "1"
            else "matrix"
        )
    if "probability" in tags and not kind:
        kind = "column"
    return Declaration(kind, sizes, frozenset(tags))


def declarations(declare: Any) -> dict[str, Declaration]:
    """Return what was said of each name, checked.

    Raises
    ------
    FormulaError
        If `declare` is no mapping of names, or a declaration is not understood.
    """
    if declare is None:
        return {}
    if not isinstance(declare, Mapping):
        raise FormulaError(
            f"declare: found {shown(declare)}, expected names with {_EXPECTED}, {{'W': 'h×d'}}"
        )
    for name in declare:
        if not isinstance(name, str) or not name.isidentifier():
            raise FormulaError(f"declare: found the name {shown(name)}, expected a name of the formula")
    return {name: declaration(name, said) for name, said in declare.items()}
