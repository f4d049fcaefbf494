"""The product of any two structured Jacobians: its spec, its exact cost, and the product itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar, cast

from jacobians.cost import Cost, Count, exactly
from jacobians.numerics.arrays import DEFAULT_MAX_BYTES
from jacobians.numerics.ledger import Ledger
from jacobians.products.audit import Audit
from jacobians.products.expansion import require_room
from jacobians.products.outside import checked_row
from jacobians.spec import Spec, broadcast
from jacobians.structures import Jacobian
from jacobians.structures.devices import together
from jacobians.structures.linear_map import Shape

F = TypeVar("F", bound=Callable[..., Any])

ANY = "*"


class Row(NamedTuple):
    """One row of a table: L·R, or L + R, for a pair of structures.

    Attributes
    ----------
    left, right : str
        The structures, or ``*``.
    formula : str
        The product or sum as a reader would write it.
    result, cost : callable (Spec, Spec)
        The resulting spec and the exact cost. Formulas of sizes and ranks alone return a
        :class:`~jacobians.cost.Count`, which may also be evaluated on arrays of sizes.
    execute : callable (left structure, right structure, Ledger)
        The code; every multiplication and addition goes through the ledger.
    applies : callable (Spec, Spec), optional
        A further condition on the specs.
    """

    left: str
    right: str
    formula: str
    result: Callable[[Spec, Spec], Spec]
    cost: Callable[[Spec, Spec], Cost | Count]
    execute: Callable[[Any, Any, Ledger], Jacobian]
    applies: Callable[[Spec, Spec], bool] = lambda left, right: True


def either(
    left: str,
    right: str,
    formulas: str | tuple[str, str],
    result: Callable[[Spec, Spec], Spec],
    cost: Callable[[Spec, Spec], Cost | Count],
    execute: Callable[[Any, Any, Ledger], Jacobian],
    applies: Callable[[Spec, Spec], bool] = lambda a, b: True,
) -> tuple[Row, Row]:
    """Return the rows of two structures in both orders, written for the first: what commutes is stated once."""
    one, other = (formulas, formulas) if isinstance(formulas, str) else formulas
    return (
        Row(left, right, one, result, cost, execute, applies),
        Row(
            right,
            left,
            other,
            lambda a, b: result(b, a),
            lambda a, b: cost(b, a),
            lambda L, R, ledger: execute(R, L, ledger),
            lambda a, b: applies(b, a),
        ),
    )


Rewriting = tuple[Callable[[Spec], Spec], Callable[[Any], Jacobian]]
"""The spec and the Jacobian of the same matrix in another structure, which costs nothing."""

AS_IT_IS: Rewriting = (lambda spec: spec, lambda jacobian: jacobian)


def rewritten(
    left: str,
    right: str,
    formula: str,
    of_left: Rewriting,
    of_right: Rewriting,
    applies: Callable[[Spec, Spec], bool] = lambda a, b: True,
) -> Row:
    """Return the row of factors that multiply as another structure does."""
    (left_spec, as_left), (right_spec, as_right) = of_left, of_right
    return Row(
        left,
        right,
        formula,
        lambda a, b: product_spec(left_spec(a), right_spec(b)),
        lambda a, b: count_products(left_spec(a), right_spec(b)),
        lambda L, R, ledger: multiply(as_left(L), as_right(R), ledger),
        applies,
    )


# --- the product of any two Jacobians ------------------------------------------------------------------


ROWS: list[Row] = []
"""The rows in the order in which they are tried."""


def built_in(*rows: Row) -> None:
    """Put rows of the library into the table, after those before them."""
    ROWS.extend(rows)
    forget()


def row(
    left: str,
    right: str,
    formula: str,
    *,
    result: Callable[[Spec, Spec], Spec],
    cost: Callable[[Spec, Spec], Cost | Count],
    execute: Callable[[Any, Any, Ledger], Jacobian],
    applies: Callable[[Spec, Spec], bool] = lambda left, right: True,
) -> Row:
    """Put a row into the table of products, before those of the library but after those of zero and identity.

    Parameters
    ----------
    left, right : str
        The structures that are multiplied, or ``*`` for any.
    formula : str
        The product as a reader would write it.
    result, cost : callable (Spec, Spec)
        The spec of the product, and its exact cost.
    execute : callable (Jacobian, Jacobian, Ledger)
        The code; every multiplication and addition goes through the ledger.
    applies : callable (Spec, Spec), optional
        A further condition on the specs.

    Returns
    -------
    Row
        What was put in.

    Raises
    ------
    TypeError
        If a name or the formula is no text, or one of the others is no function.

    Examples
    --------
    A structure of one's own multiplies without a row, made dense; see the page on contributing for one with a row.
    """
    made = checked_row(Row(left, right, formula, result, cost, execute, applies))
    put(ROWS, made, behind=("Zero", "Identity"))
    forget()
    return made


def put(rows: list[Row], made: Row, behind: Collection[str]) -> None:
    """Put a row in before all others but those of some structures."""
    trivial = [place for place, known in enumerate(rows) if known.left in behind or known.right in behind]
    rows.insert(trivial[-1] + 1, made)


def rows_among(rows: Iterable[Row], left: str, right: str) -> tuple[Row, ...]:
    """Return the rows for two structures, in the order of the table."""
    return tuple(row for row in rows if row.left in (ANY, left) and row.right in (ANY, right))


_REMEMBERED: list[Any] = []


def remembered(function: F, most: int = 65536) -> F:
    """Look up once what hangs on the rows of the tables, such as a cost or a plan of specs, until a table changes."""
    cached = lru_cache(maxsize=most)(function)
    _REMEMBERED.append(cached)
    return cast(F, cached)


def forget() -> None:
    """Forget what was looked up before a table changed."""
    for looked_up in _REMEMBERED:
        looked_up.cache_clear()


@remembered
def edition() -> object:
    """Return what is another one as soon as a table changes: plans that somebody keeps are kept under it."""
    return object()


@remembered
def _rows_for(left: str, right: str) -> tuple[Row, ...]:
    return rows_among(ROWS, left, right)


def find_row(left: Spec, right: Spec) -> Row:
    """Return the row for two specs.

    Raises
    ------
    ValueError
        If the inner sizes differ.
    LookupError
        If a structure is not known.
    """
    if left.shape[1] != right.shape[0]:
        raise ValueError(
            f"product: found {left.label} with {left.shape[1]} inputs times {right.label} with "
            f"{right.shape[0]} outputs, expected equal numbers; check the order of the factors"
        )
    for row in _rows_for(left.structure, right.structure):
        if row.applies(left, right):
            return row
    raise LookupError(f"product: found no row for {left.structure} · {right.structure}; add one by row(…)")


@remembered
def product_spec(left: Spec, right: Spec) -> Spec:
    """Return the spec of left · right, without any numbers.

    Examples
    --------
    >>> product_spec(Spec.dense(1, 3), Spec.kronecker(Spec.identity(3), Spec.dense(1, 4)))
    Spec(Dense 1×3 ⊗ Dense 1×4)
    """
    return find_row(left, right).result(left, right)


@remembered
def product_cost(left: Spec, right: Spec) -> Cost:
    """Return the exact cost of left · right, without any numbers.

    Examples
    --------
    >>> product_cost(Spec.dense(2, 3), Spec.dense(3, 4))
    Cost(multiplications=24, additions=16)
    >>> product_cost(Spec.dense(2, 2**32), Spec.diagonal(2**32))
    Cost(multiplications=8589934592, additions=0)
    """
    return exactly(find_row(left, right).cost(left, right))


def count_products(left: Spec, right: Spec) -> Count:
    """Return what many products of one pair of structures cost: specs with arrays as sizes and ranks.

    Only for rows whose cost is a formula of sizes and ranks alone.

    Examples
    --------
    >>> import numpy as np
    >>> sizes = np.array([1, 2, 3])
    >>> count_products(Spec("Dense", (2, sizes)), Spec("Dense", (sizes, 4))).multiplications
    array([ 8, 16, 24])
    """
    row = next(row for row in _rows_for(left.structure, right.structure) if row.applies(left, right))
    cost = row.cost(left, right)
    return Count(cost.multiplications, cost.additions)


Prepared = tuple[Row, Spec, bool]
"""A row for two specs, what it gives, and whether that may be too large."""

_FITS = DEFAULT_MAX_BYTES // 16  # so many numbers fit whatever their precision


def prepared(row: Row, left: Spec, right: Spec) -> Prepared:
    """Return what is to be known before a row is executed."""
    spec = row.result(left, right)
    return row, spec, spec.storage > _FITS


@remembered
def _prepared(left: Spec, right: Spec) -> Prepared:
    return prepared(find_row(left, right), left, right)


def executed(
    known: Prepared, left: Jacobian, right: Jacobian, in_shape: Shape, ledger: Ledger | None, what: str
) -> Jacobian:
    """Return what a row makes of two Jacobians, between the shapes of both and at the points of both."""
    row, spec, large = known
    if left.home is not right.home:
        left, right = together((left, right), what)
    if large:
        require_room(spec, max(left.dtype.itemsize, right.dtype.itemsize))
    if isinstance(ledger, Audit):
        made = ledger.held(row, left, right)
    else:
        made = row.execute(left, right, Ledger() if ledger is None else ledger)
    batch = left.batch_shape
    if right.batch_shape != batch:
        batch = broadcast(batch, right.batch_shape)
    if made.out_shape != left.out_shape or made.in_shape != in_shape:
        made = made.reshaped(left.out_shape, in_shape)
    return made if made.batch_shape == batch else made.broadcast_batch(batch)


def multiply(left: Jacobian, right: Jacobian, ledger: Ledger | None = None) -> Jacobian:
    """Return left · right in the structure that the product has.

    Parameters
    ----------
    left, right : Jacobian
        (m × n) and (n × p).
    ledger : Ledger, optional
        Where multiplications and additions are counted.

    Raises
    ------
    ValueError
        If the inner sizes differ.
    TypeError
        If the two store arrays of different libraries.
    MemoryBudgetError
        If the result would store more than 2 GiB.

    Examples
    --------
    >>> from jacobians.structures import Dense, Diagonal
    >>> multiply(Diagonal([1.0, 2.0]), Dense([[1.0, 1.0], [1.0, 1.0]])).dense()
    array([[1., 1.],
           [2., 2.]])
    """
    return executed(_prepared(left.spec, right.spec), left, right, right.in_shape, ledger, "product")


def points(left: Spec, right: Spec) -> int:
    """Return the number of points that a product of the two is formed for."""
    return math.prod(broadcast(left.batch, right.batch))


Jacobian._product = multiply
