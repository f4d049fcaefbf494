"""Every formula of five sets of course notes, runnable and verified by at least two witnesses a row."""

from __future__ import annotations

from collections.abc import Iterable

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
