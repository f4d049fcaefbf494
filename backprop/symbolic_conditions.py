"""When one cost of letters is less than another, solved where it can be, and expressions as people write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from jacobians import Cost


@dataclass(frozen=True)
class Condition:
    """When one bracketing has fewer multiplications than another.

    Attributes
    ----------
    first, second : str
        Their names.
    holds : bool or None
        True or False where no size changes it; None where sizes decide.
    relation : sympy expression or None
        What must hold for sizes; solved for a letter where the sign of its coefficient is known.
    """

    first: str
    second: str
    holds: bool | None
    relation: Any = None

    def __str__(self) -> str:
        if self.holds is not None:
            return f"{self.first} {'always' if self.holds else 'never'} beats {self.second}"
        return f"{self.first} beats {self.second} iff {words(self.relation)}"


def factored(number: Any) -> Any:
    """Return a number or an expression, factored where it is a polynomial."""
    import sympy

    return (
        number if isinstance(number, int) or number.has(sympy.Piecewise, sympy.Min) else sympy.factor(number)
    )


def sign(expression: Any, *, strict: bool = False) -> int | None:
    """Return 1 or −1 where it is ≥ 0 or ≤ 0 for all sizes from 2, 0 where it is 0; None where sizes decide.

    With n = 2 + n′ a polynomial whose coefficients all have one sign has it everywhere; `strict` asks that it is
    nowhere 0.
    """
    import sympy

    expression = sympy.expand(expression)
    if expression.has(sympy.Min, sympy.Piecewise):
        return None
    letters = sorted(expression.free_symbols, key=str)
    if not letters:
        return int(sympy.sign(expression))
    shifted = sympy.Poly(expression.subs({x: x + 2 for x in letters}, simultaneous=True), *letters)
    for side in (1, -1):
        if all(side * c >= 0 for c in shifted.coeffs()):
            return None if strict and shifted.eval(dict.fromkeys(letters, 0)) == 0 else side
    return None


def condition(first: str, second: str, cost: Cost, other: Cost) -> Condition:
    """Return when a cost has fewer multiplications than another."""
    import sympy

    difference = sympy.sympify(other.multiplications - cost.multiplications)
    if difference.has(sympy.Min, sympy.Piecewise):
        return Condition(first, second, None, difference > 0)
    if sympy.expand(difference) == 0:
        return Condition(first, second, False)
    constant, factors = sympy.factor_list(difference)
    whole, left = (1 if constant > 0 else -1), []
    for factor, power in factors:
        known = sign(factor, strict=True)
        if known is None:
            left += [factor] * (1 if power % 2 else 2)
        elif power % 2:
            whole *= known
    if not left:
        return Condition(first, second, whole > 0)
    rest = sympy.expand(whole * sympy.prod(left))
    return Condition(first, second, None, _solved(rest))


def _solved(rest: Any) -> Any:
    """Return rest > 0, solved for the first letter in which it is linear with a coefficient of known sign."""
    import sympy

    for letter in sorted(rest.free_symbols, key=str, reverse=True):
        if sympy.degree(rest, letter) != 1:
            continue
        slope = rest.coeff(letter, 1)
        side = sign(slope, strict=True)
        if side is None:
            continue
        bound = _without_minus(sympy.factor(-(rest - slope * letter).expand() / slope))
        if side > 0:
            return sympy.Lt(bound, letter, evaluate=False)
        return sympy.Lt(letter, bound, evaluate=False)
    plus = sympy.Add(*(term for term in sympy.Add.make_args(rest) if term.as_coeff_Mul()[0] > 0))
    return sympy.Lt(sympy.expand(plus - rest), plus, evaluate=False)


def _without_minus(product: Any) -> Any:
    """Return k·(2·m − h)/h for −k·(h − 2·m)/h."""
    import sympy

    if product.is_Mul and product.as_coeff_Mul()[0] < 0:
        for factor in product.args:
            if factor.is_Add:
                return sympy.expand(-factor) * (-product / factor)
    return product


def words(expression: Any) -> str:
    """Return an expression as people write it: h²·n for h**2*n."""
    text = str(expression)
    raised = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
    text = re.sub(r"\*\*([0-9]+)", lambda found: found[1].translate(raised), text)
    text = re.sub(r"\(-([^()+-]+) \+ ([^()+-]+)\)", r"(\2 - \1)", text)
    return text.replace("*", "·")
