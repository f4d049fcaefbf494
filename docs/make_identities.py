"""Write docs/identities.md: identities of matrix calculus with their derivatives, structures, costs and verdicts.

Run as ``python docs/make_identities.py``; with ``--print`` it goes to standard output.
"""

from __future__ import annotations

import sys
from pathlib import Path

from backprop import formula_costs
from jacobians import FormulaError, derive
from verification import check_formula

HEAD = """# Identities of matrix calculus

Made by `python docs/make_identities.py`; a test compares this page with what the script makes. Each derivative was
derived, printed, read back and judged by differences at two points of distinct sizes: **verdict**. Gradients are in the
shape of the input; J is the Jacobian matrix in numerator layout, by rows (row-major vec) and by columns; the
denominator layout is its transpose, as it is printed. **Structure** and **cost** are those of J: its factors, and the
fewest multiplications of a bracketing in letters, for sizes of 100 where bracketings are compared.
"""

# the notes' own first; then vectors, matrices, traces, determinants and inverses, norms, functions, losses
ROWS: dict[str, list[tuple[str, str, dict[str, str]]]] = {
    "Of the notes": [
        ("A*x", "x", {}),
        ("W*x + b", "W", {"W": "h×d"}),
        ("W*x + b", "b", {"W": "h×d"}),
        ("norm2(z)^2", "z", {}),
        ("norm2(f - y)^2", "f", {}),
        ("x'*A*x", "x", {}),
        ("x'*A*x", "A", {}),
        ("tanh(W*x + b)", "x", {}),
        ("tanh(W*x + b)", "W", {}),
        ("tanh(W*x + b)", "b", {}),
        ("U*tanh(W*x + b) + c", "W", {}),
        ("W*X", "X", {}),
        ("W*X", "W", {}),
        ("tanh(X)", "X", {}),
        ("-r'*log(softmax(z))", "z", {"r": "probability"}),
        ("-r'*log(softmax(z))", "z", {}),
        ("-(y*log(a) + (1 - y)*log(1 - a))", "a", {"y": "scalar", "a": "scalar"}),
        ("-(y*log(sigmoid(z)) + (1 - y)*log(1 - sigmoid(z)))", "z", {"y": "scalar", "z": "scalar"}),
        ("normF(F*F' - G)^2", "F", {}),
        ("normF(F*F' - G)^2", "F", {"G": "symmetric"}),
        ("max(x, y)", "x", {}),
        ("norm2(y - h)^2/2", "h", {}),
    ],
    "Vectors": [
        ("a'*x", "x", {}),
        ("x'*x", "x", {}),
        ("x'*y*x", "x", {}),
        ("x*x'", "x", {}),
        ("(A*x + b)'*C*(D*x + e)", "x", {}),
        ("x.*y", "x", {}),
        ("diag(x)*A", "x", {}),
        ("A*diag(x)*B", "x", {}),
        ("kron(x, y)", "x", {}),
        ("x[0]", "x", {}),
        ("mean(x)", "x", {}),
        ("x - mean(x)", "x", {}),
        ("A*x[0:2]", "x", {}),
    ],
    "Matrices": [
        ("A*X*B", "X", {}),
        ("A*X'*B", "X", {}),
        ("X'*X", "X", {}),
        ("X^2", "X", {}),
        ("X'*A*X", "X", {}),
        ("X.*Y", "X", {}),
        ("kron(A, X)", "X", {}),
        ("vec(X)", "X", {}),
        ("vec(X')", "X", {}),
        ("diag(X)", "X", {}),
        ("a'*X*b", "X", {}),
        ("a'*X'*X*b", "X", {}),
        ("X[0,1]", "X", {}),
        ("X*a", "X", {}),
        ("sum(X, axis=0)'", "X", {}),
        ("max(X, axis=1)", "X", {}),
    ],
    "Traces": [
        ("tr(X)", "X", {}),
        ("tr(A*X)", "X", {}),
        ("tr(A*X')", "X", {}),
        ("tr(X'*X)", "X", {}),
        ("tr(X^2)", "X", {}),
        ("tr(X^3)", "X", {}),
        ("tr(A*X*B)", "X", {}),
        ("tr(A*X*B*X'*C)", "X", {}),
        ("tr(X'*A*X)", "X", {}),
        ("tr(A*X*B*X)", "X", {}),
        ("tr(expm(X))", "X", {}),
        ("tr(kron(X, X))", "X", {}),
    ],
    "Determinants and inverses": [
        ("det(X)", "X", {}),
        ("logdet(X)", "X", {}),
        ("det(A*X*B)", "X", {}),
        ("logdet(X'*X)", "X", {}),
        ("det(X)^2", "X", {}),
        ("inv(X)", "X", {}),
        ("a'*inv(X)*b", "X", {}),
        ("tr(A*inv(X)*B)", "X", {}),
        ("A*inv(X)*b", "X", {}),
        ("logdet(S)", "vech(S)", {"S": "symmetric"}),
        ("y'*inv(S)*y", "S", {"S": "symmetric positive definite"}),
    ],
    "Norms": [
        ("norm2(x)", "x", {}),
        ("norm2(x - a)", "x", {}),
        ("x/norm2(x)", "x", {}),
        ("norm1(x)", "x", {}),
        ("normF(X)", "X", {}),
        ("norm2(A*x - b)^2", "x", {}),
        ("nuclear(X)", "X", {}),
        ("specnorm(X)", "X", {}),
        ("eigmax(S)", "S", {"S": "symmetric"}),
    ],
    "Functions and losses": [
        ("exp(x)", "x", {}),
        ("softmax(x)", "x", {}),
        ("logsumexp(x)", "x", {}),
        ("logsoftmax(x)", "x", {}),
        ("softmax(X, axis=1)", "X", {}),
        ("sum(log(1 + exp(-(y.*(X*w)))))", "w", {}),
        ("norm2(X*w - y)^2 + l*norm2(w)^2", "w", {"l": "scalar"}),
        ("U*relu(W*x)", "x", {}),
        ("A*softmax(B*x)", "x", {}),
        ("V*softmax(K*q)", "q", {}),
        ("(x - mean(x))/sqrt(mean((x - mean(x)).^2))", "x", {}),
        ("where(x > 0, x, a*x)", "x", {"a": "scalar"}),
    ],
}


def cell(text: str) -> str:
    """Return text for a cell of a table."""
    return "`" + text.replace("|", "\\|") + "`"


def row(formula: str, by: str, declare: dict[str, str]) -> str:
    """Return the row of an identity."""
    d = derive(formula, by, declare=declare)
    said = ", ".join(f"{name}: {what}" for name, what in declare.items())
    lines = (
        [f"{d.kind.partition(',')[0].partition(' ')[0]}: {d.text}"] if d.kind.startswith("gradient") else []
    )
    if not d.half:
        by_rows = {vec: _line(d, vec) for vec in ("row", "column")}
        if by_rows["row"] is None:
            lines.append(d.tensor("numerator"))
        else:
            same = by_rows["row"] == by_rows["column"]
            lines.append(f"J: {by_rows['row']}" if same else f"J by rows: {by_rows['row']}")
            lines += [] if same or by_rows["column"] is None else [f"J by columns: {by_rows['column']}"]
            lines.append(f"denominator: {d.matrix(layout='denominator')!r}")
    structure, cost = _cost(d)
    verdict = check_formula(formula, by, declare=declare).verdict
    where = "; ".join(d.conditions)
    first = (
        cell(formula)
        + " by "
        + cell(by)
        + (f" ({said})" if said else "")
        + (f"<br>where {where}" if where else "")
    )
    return f"| {first} | {'<br>'.join(map(cell, lines))} | {structure} | {cost} | {verdict} |"


def _line(d: object, vec: str) -> str | None:
    try:
        return repr(d.matrix(vec))  # type: ignore[attr-defined]
    except FormulaError:
        return None


def _cost(d: object) -> tuple[str, str]:
    try:
        costs = formula_costs(d)
    except FormulaError:
        return "", ""
    structure = " + ".join(" · ".join(spec.structure for spec in chain.specs) for chain in costs.chains)
    parts = []
    for chain in costs.chains:
        letters = sorted({letter for spec in chain.specs for letter in spec.letters}, key=str)
        if len(chain) < 2 or not letters:
            parts.append("0")
            continue
        from backprop import symbolic_costs

        found = symbolic_costs(chain)
        at = found.at({str(letter): 100 + k for k, letter in enumerate(letters)})
        best = min(found.alternatives, key=lambda item: at[item.strategy])
        parts.append(str(best.cost.multiplications).replace("**", "^").replace("*", "·"))
    return structure, " + ".join(parts)


def page() -> str:
    """Return the page."""
    parts = [HEAD]
    for title, rows in ROWS.items():
        parts += [
            f"\n## {title}\n",
            "| formula | derivative | structure | multiplications | verdict |",
            "|---|---|---|---|---|",
        ]
        parts += [row(*one) for one in rows]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    made = page()
    if "--print" in sys.argv:
        print(made, end="")
    else:
        (Path(__file__).parent / "identities.md").write_text(made, encoding="utf-8")
