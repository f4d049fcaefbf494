"""In which precision a function computes, as its values show: code may round to float16 or float32 inside."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jacobians.numerics.arrays import Array

LEAST_DIFFERENT = 2  # values that have to be short to tell: one may be a constant
DISTANCES = 2.0 ** -np.array([6, 6, 6, 3, 3, 3, 0, 0, 0, 0])  # relative: a staircase has one value nearby
SHRUNK = np.array([0.6, 0.3, 0.15, 0.07])  # of the point: where what is saturated at it is not
LONG = {
    "float32": 2.0**20,
    "float16": 2.0**8,
}  # a value that needs more bits than these is no simple fraction


def eps_of_values(
    evaluate_many: Callable[[Array], Array], point: Array, value: Array, returned: float
) -> Array:
    """Return the rounding unit that each value has, as the values at a few random points nearby have it.

    Parameters
    ----------
    evaluate_many : callable
        From points to values, shape (count, m); NaN outside of the domain.
    point : numpy.ndarray
        In the middle of the points.
    value : numpy.ndarray
        The value there.
    returned : float
        eps of the dtype that the function returns: no value has a smaller one.

    Returns
    -------
    numpy.ndarray, shape (m,)
        eps of float16 or float32 where the values of all points are numbers of it, and some value of f tells: by
        several different ones that are no simple fractions; otherwise `returned`.

    Examples
    --------
    >>> f = lambda X: np.stack([np.sin(X), np.sin(X).astype(np.float32)], axis=1)
    >>> eps_of_values(f, np.array(0.3), np.zeros(2), 2.0**-52)
    array([2.22044605e-16, 1.19209290e-07])
    """
    eps = np.full(value.size, returned)
    narrower = [name for name in ("float32", "float16") if float(np.finfo(name).eps) > returned]
    if not narrower:
        return eps
    random = np.random.default_rng(0).uniform(-1, 1, size=(DISTANCES.size, *point.shape))
    random *= DISTANCES.reshape(-1, *(1,) * point.ndim)
    beside = point + random * np.where(point == 0, 1, np.abs(point))
    shrunk = (SHRUNK.reshape(-1, *(1,) * point.ndim) + random[: SHRUNK.size] / 16) * point
    points = np.concatenate([beside, shrunk]).astype(point.dtype)
    try:
        values = evaluate_many(points).astype(np.float64)
    except Exception:  # f's own; the witness that meets it says so
        return eps
    with np.errstate(all="ignore"):
        finite = np.isfinite(values)
        telling = finite & (values != np.rint(values))
        sorted_values = np.sort(np.where(telling, values, np.nan), axis=0)
        different = 1 + (np.diff(sorted_values, axis=0) > 0).sum(axis=0)  # NaN is not above
        mantissas = np.where(telling, np.frexp(values)[0], 0)
        for name in narrower:
            short = ((values.astype(name).astype(np.float64) == values) | ~finite).all(axis=0)
            bits = mantissas * LONG[name]
            long = (bits != np.rint(bits)).any(axis=0) & (different >= LEAST_DIFFERENT)
            if (short & long).any():  # then the others that may be, are
                eps = np.where(short, float(np.finfo(name).eps), eps)
    return eps


def last_bit(values: Array) -> Array:
    """Return the greatest power of 2 that all values along the first axis are multiples of; 0 where all are 0.

    What is left of large terms that cancel lies on a lattice that is coarser than its own last bit.

    Examples
    --------
    >>> last_bit(np.array([[0.75, 1.0], [0.5, 3.0], [0.0, 0.0]])).tolist()
    [0.25, 1.0]
    >>> bool(last_bit(np.array([(1e3 + 0.1) - 1e3])) == np.spacing(1e3))
    True
    """
    mantissas, exponents = np.frexp(np.where(np.isfinite(values), values, 0))
    whole = np.ldexp(mantissas, 53).astype(np.int64)
    bits = np.where(whole == 0, np.inf, np.ldexp((whole & -whole).astype(np.float64), exponents - 53))
    least = bits.min(axis=0, initial=np.inf)
    return np.asarray(np.where(np.isinf(least), 0.0, least))
