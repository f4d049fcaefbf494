"""Every formula of five sets of course notes, runnable and verified by at least two witnesses a row."""

from __future__ import annotations

import copyreg
from collections.abc import Iterable
from typing import Any

from backprop.notes.formula import Finding, Formula, Result, Slip, Witness, run
from jacobians.numerics.arguments import checked_names, checked_option

__all__ = ["Finding", "Formula", "Result", "Slip", "Witness", "formulas", "run", "verify"]


def formulas() -> dict[str, Formula]:
    """Return all formulas by id, in the notes' order.

    Examples
    --------
    >>> formulas()["B6"].title
    'the chain rule'
    """
    # imported here: the rows build networks and import verification
    from backprop.notes import a_conventions, b_chain_rule, c_network, d_blocks, d_inputs, e_delta_recursion

    rows = (
        *a_conventions.FORMULAS,
        *b_chain_rule.FORMULAS,
        *c_network.FORMULAS,
        *d_blocks.FORMULAS,
        *d_inputs.FORMULAS,
        *e_delta_recursion.FORMULAS,
    )
    return {formula.id: formula for formula in rows}


def _of_id(name: str) -> Formula:
    return formulas()[name]


def _reduced(formula: Formula) -> Any:
    """Write a formula of the notes down by its id, for its claims have no names; one of somebody's by its parts."""
    own = formulas().get(formula.id) is formula
    return (_of_id, (formula.id,)) if own else object.__reduce_ex__(formula, 4)


copyreg.pickle(Formula, _reduced)


def verify(ids: Iterable[str] | None = None) -> list[Result]:
    """Run the formulas of some ids, by default all.

    Parameters
    ----------
    ids : iterable of str, optional
        Such as "B12".

    Returns
    -------
    list of Result

    Raises
    ------
    ValueError
        If an id is unknown.

    Examples
    --------
    >>> [result.passed for result in verify(["B12"])]
    [True]
    """
    known = formulas()
    chosen = list(known) if ids is None else checked_names(ids, "ids", "a list of ids such as 'B12'")
    for name in chosen:
        checked_option(name, "id", known)
    return [run(known[name]) for name in chosen]
