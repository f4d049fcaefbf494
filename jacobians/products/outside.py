"""Rows from outside: what they return is held to what is asked of them, and told by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jacobians.cost import Cost, Count
from jacobians.numerics.arguments import shown
from jacobians.numerics.ledger import Ledger
from jacobians.spec import Spec, owner
from jacobians.structures import Jacobian
from jacobians.structures.agreement import in_full, is_outside
from jacobians.structures.outside import FAULTS, told

if TYPE_CHECKING:
    from jacobians.products.core import Row


def checked_row(made: Row) -> Row:
    """Return a row from outside, refused unless its names are text and the rest functions."""
    for name, found in made._asdict().items():
        if name in ("left", "right", "formula"):
            if not isinstance(found, str):
                raise TypeError(f"{name}: found {shown(found)}, expected text such as 'Dense'")
            if name != "formula" and found != "*":
                try:
                    owner(found)
                except LookupError as error:
                    raise ValueError(f"{name}: {error}, or take '*' for any structure") from None
        elif not callable(found):
            raise TypeError(f"{name}: found {shown(found)}, expected a function")
    return _held(made) if is_outside(getattr(made.execute, "__module__", "")) else made


def _held(made: Row) -> Row:
    """Return a row from outside whose answers are checked."""
    where = f"row {made.left}, {made.right} ({made.formula})"

    def asked(name: str, a: Spec, b: Spec, expected: str) -> Any:
        try:
            return getattr(made, name)(a, b)
        except FAULTS as error:
            told(error, f"{where}: its {name}", expected)

    def applies(a: Spec, b: Spec) -> bool:
        found = asked("applies", a, b, "True or False")
        if not isinstance(found, bool | np.bool_):
            raise TypeError(f"{where}: its applies gave {shown(found)}, expected True or False")
        return bool(found)

    def result(a: Spec, b: Spec) -> Spec:
        found = asked("result", a, b, "the Spec of the product or sum")
        shape = a.shape[0], b.shape[1]
        if not isinstance(found, Spec) or found.shape != shape:
            sizes = f" of shape {found.shape}" if isinstance(found, Spec) else ""
            raise TypeError(
                f"{where}: its result gave {shown(found)}{sizes}, expected a Spec of shape {shape}"
            )
        return found

    def cost(a: Spec, b: Spec) -> Cost | Count:
        found = asked("cost", a, b, "a Cost or a Count, of sizes that may be arrays")
        if not isinstance(found, Cost | Count):
            raise TypeError(f"{where}: its cost gave {shown(found)}, expected a Cost or a Count")
        return found

    def execute(L: Jacobian, R: Jacobian, ledger: Ledger) -> Jacobian:
        expected = result(L.spec, R.spec)
        try:
            found = made.execute(L, R, ledger)
        except FAULTS as error:
            told(error, f"{where}: its execute", f"a Jacobian with {in_full(expected)}")
        if not isinstance(found, Jacobian) or found.spec != expected:
            spec = (
                f"one with {in_full(found.spec)} of shape {found.shape}"
                if isinstance(found, Jacobian)
                else shown(found)
            )
            raise TypeError(
                f"{where}: its execute gave {spec}, expected a Jacobian with {in_full(expected)} of shape "
                f"{expected.shape}, as its result says"
            )
        dtype = np.result_type(L.dtype, R.dtype)
        if found.dtype not in (dtype, object):
            raise TypeError(
                f"{where}: its execute gave a Jacobian of {found.dtype}, expected one of {dtype}, as the factors are"
            )
        return found

    return made._replace(result=result, cost=cost, execute=execute, applies=applies)
