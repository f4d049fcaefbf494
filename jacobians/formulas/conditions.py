"""Where a formula and its derivative hold: domains, kinks, inverses, what stands below a line."""

from __future__ import annotations

from jacobians.formulas.functions import ELEMENTWISE
from jacobians.formulas.matrix_form import MatrixForm, NoFormError
from jacobians.formulas.nodes import Choice, Delta, Factor, Fn, Sym, Tensor
from jacobians.formulas.text import text


def conditions(form: MatrixForm, *tensors: Tensor) -> list[str]:
    """Return what must hold, each once, in the order in which it is met."""
    found: dict[str, None] = {}
    seen: set[str] = set()
    for tensor in tensors:
        _visit(form, tensor, found, seen)
    positive = {said.removesuffix(" > 0") for said in found if said.endswith(" > 0")}
    return [said for said in found if said[-4:] not in (" ≥ 0", " ≠ 0") or said[:-4] not in positive]


def _said(form: MatrixForm, node: Sym | Delta | Choice | Fn | Tensor) -> str | None:
    try:
        return text(form.node(Factor(node, tuple(range(len(node.sizes))))))
    except NoFormError:
        return None


def _visit(form: MatrixForm, tensor: Tensor, found: dict[str, None], seen: set[str]) -> None:
    if tensor.digest in seen:
        return
    seen.add(tensor.digest)
    for term in tensor.terms:
        for node, _, exponent in term.factors:
            if isinstance(node, Tensor):
                _visit(form, node, found, seen)
            if isinstance(node, Fn):
                _function(form, node, found)
                for arg in node.args:
                    _visit(form, arg, found, seen)
            if not (isinstance(exponent, int) and exponent > 0) and not _positive(node):
                _power(form, node, exponent, found)


def _positive(node: Sym | Delta | Choice | Fn | Tensor) -> bool:
    if isinstance(node, Sym):
        return "positive" in node.tags or node.name == "π"
    return isinstance(node, Fn) and node.name in ("exp", "softmax", "cosh", "sigmoid")


def _power(
    form: MatrixForm, node: Sym | Delta | Choice | Fn | Tensor, exponent: object, found: dict[str, None]
) -> None:
    try:
        norm = form.norm(node) if isinstance(node, Tensor) else None
    except NoFormError:
        norm = None
    if norm is not None:
        if exponent != 1 and float(str(exponent).partition("/")[0]) < 0:
            found[f"{text(norm.args[0])} ≠ 0"] = None
        return
    said = _said(form, node)
    if said is not None and not said.replace(".", "").isdigit():
        below = (
            "≠" if isinstance(exponent, int) else ">" if float(str(exponent).partition("/")[0]) < 0 else "≥"
        )
        found[f"{said} {below} 0"] = None


def _function(form: MatrixForm, node: Fn, found: dict[str, None]) -> None:
    said = [_said(form, arg) for arg in node.args]
    if said[0] is None:
        return
    if node.name in ELEMENTWISE:
        row = ELEMENTWISE[node.name]
        positive = all(_positive(f.node) for t in node.args[0].terms for f in t.factors) and all(
            t.number > 0 for t in node.args[0].terms
        )
        if row.domain and not (node.name == "log" and positive):
            found[row.domain.format(said[0])] = None
        if row.kinks:
            found[row.kinks.format(said[0])] = None
    elif node.name in ("inv", "logdet"):
        only = node.args[0].terms[0].factors[0].node if len(node.args[0].terms) == 1 else None
        if not (
            isinstance(only, Sym) and "invertible" in only.tags and len(node.args[0].terms[0].factors) == 1
        ):
            found[f"{said[0]} is invertible"] = None
    elif node.name in ("max", "hardmax"):
        found[f"the largest entry of {said[0]} is the only one"] = None
    elif node.name in ("specnorm", "specpair", "eigmax", "eigpair"):
        found[
            f"the largest {'singular value' if 'spec' in node.name else 'eigenvalue'} of {said[0]} is simple"
        ] = None
    elif node.name in ("nuclear", "polar"):
        found[f"{said[0]} has full rank"] = None
    elif node.name == "power" and not all(_positive(f.node) for t in node.args[0].terms for f in t.factors):
        found[f"{said[0]} > 0"] = None
