"""Jacobians beside each other: their arrays belong to one library, and what stores no array goes with the others."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from jacobians.numerics.libraries import NUMPY, Home, home_of, kind_name

if TYPE_CHECKING:
    from jacobians.structures.base import Jacobian


J = TypeVar("J", bound="Jacobian")


def is_homeless(jacobian: Jacobian) -> bool:
    """Return whether no array is stored, so that the map may live wherever those beside it do."""
    return not jacobian.arrays and all(is_homeless(part) for part in jacobian.parts)


def moved(jacobian: J, home: Home) -> J:
    """Return a map that stores no array with those that it makes anew living elsewhere."""
    if home is jacobian.home:
        return jacobian
    if not jacobian.parts:
        other = copy.copy(jacobian)
        other.home = home
        return other
    return jacobian.unflatten(jacobian.spec, {}, jacobian.static.changed(home=home))  # type: ignore[return-value]  # of one spec


def together(jacobians: Sequence[Jacobian], what: str) -> list[Jacobian]:
    """Return Jacobians that may be computed with together: those that store no array go where the others are.

    Parameters
    ----------
    jacobians : sequence of Jacobian
    what : str
        What they are brought together for; the error begins with it.

    Raises
    ------
    TypeError
        If their arrays belong to several libraries. Devices are the library's affair.
    """
    holding = [each for each in jacobians if not is_homeless(each)]
    elsewhere = (each.home for each in jacobians if each.home is not NUMPY)
    home = holding[0].home if holding else next(elsewhere, NUMPY)
    for other in holding[1:]:
        if other.home.namespace is not home.namespace:
            raise TypeError(
                f"{what}: found {holding[0].label} with arrays of {home.name} and {other.label} with arrays of "
                f"{other.home.name}, expected one library; convert the arrays of one of them, and make it again "
                f"(selections and scatters are always NumPy's)"
            )
    return [moved(each, home) if is_homeless(each) else each for each in jacobians]


def beside_array(jacobian: J, array: Any, name: str) -> J:
    """Return a Jacobian that may be applied to an array.

    Raises
    ------
    TypeError
        If the array belongs to another library than the Jacobian's arrays.
    """
    home = home_of(array)
    if home is jacobian.home:
        return jacobian
    if is_homeless(jacobian):
        return moved(jacobian, home)
    if home.namespace is not jacobian.home.namespace:
        raise TypeError(
            f"{name}: found {kind_name(array)}, expected an array of {jacobian.home.name}, whose arrays "
            f"{jacobian.label} stores; convert one of the two"
        )
    return jacobian
