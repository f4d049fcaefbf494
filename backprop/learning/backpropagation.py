"""Gradients of a mean loss by every parameter: the δ recursion over a batch, and the explicit chain of Jacobians.

Both take the derivatives from the layers and from the loss; what differs is who multiplies them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backprop.chain import Chain
from jacobians import Affine, Function, Sequential
from jacobians.function import INPUT
from jacobians.numerics.arrays import Array, is_recorded
from jacobians.numerics.blas_threads import product
from jacobians.numerics.ledger import Ledger
from jacobians.numerics.libraries import home_of, namespace_of, numpy_dtype
from jacobians.products import multiply
from jacobians.products.expansion import expand


def deltas(
    network: Sequential, values: Sequence[Array], loss: Function, *, divisor: int = 1
) -> Iterator[tuple[int, Array]]:
    """Yield the place and δ = ∂E/∂z of every affine layer, output side first, for the points of a batch.

    δ^(L) = ∇_a E ⊙ φ′(z^(L)) and δ^(l) = (W^(l+1)ᵀ δ^(l+1)) ⊙ φ′(z^(l)), for all points in one product a layer.

    Parameters
    ----------
    network : Sequential
        Of affine layers and others that have no parameters.
    values : sequence of numpy.ndarray
        The points (N, d) and the output of each layer: ``network.linearize(x, batched=True).values``.
    loss : Function
        The loss of the targets (N, k), one value a point.
    divisor : int
        What the loss is divided by: the number of points for its mean.

    Yields
    ------
    (int, numpy.ndarray of shape (N, h))
        Each row is the δ of its own point (denominator layout: a column a point, here laid out as a row).

    Examples
    --------
    >>> from jacobians import SquaredError, Tanh
    >>> net = Sequential(Affine([[1.0], [2.0]]), Tanh())
    >>> values = net.linearize([[0.0]], batched=True).values
    >>> list(deltas(net, values, SquaredError([[1.0, 1.0]], scale=0.5)))
    [(0, array([[-1., -1.]]))]
    """
    last = values[-1]
    loss.check_input(tuple(last.shape[1:]))
    if not is_recorded(last):
        loss.check_values(last)
    row = loss._jacobian(last, INPUT, 1)  # ∇_a E, a row a point
    if divisor != 1:
        row = row * (1 / divisor)  # once, where it is smallest
    for place in range(len(network) - 1, -1, -1):
        layer = network[place]
        if isinstance(layer, Affine):
            delta = expand(row, Ledger()).A
            if delta.ndim == 2:  # the same for all points
                delta = namespace_of(delta).broadcast_to(delta, (*row.batch_shape, *delta.shape))
            yield place, delta[:, 0, :]
        if place or not isinstance(layer, Affine):
            # δᵀ·W, or δᵀ·diag(φ′(z))
            row = multiply(row, layer._jacobian(values[place], INPUT, 1, values[place + 1]))


def delta_gradients(
    network: Sequential, values: Sequence[Array], loss: Function, *, points: int | None = None
) -> dict[str, Array]:
    """Return ∂E/∂W = δ aᵀ and ∂E/∂b = δ of every affine layer, averaged over the points.

    Parameters
    ----------
    network, values, loss
        As in :func:`deltas`.
    points : int, optional
        What to divide by, where these points are a part of a larger batch; by default their number.

    Returns
    -------
    dict of str to numpy.ndarray
        In the order and in the shapes of ``network.parameters`` (denominator layout).

    Examples
    --------
    >>> from jacobians import SquaredError
    >>> net = Sequential(Affine([[1.0, 1.0]], [0.0]))
    >>> values = net.linearize([[1.0, 2.0], [3.0, 4.0]], batched=True).values
    >>> delta_gradients(net, values, SquaredError([[2.0], [6.0]], scale=0.5))
    {'0.W': array([[2., 3.]]), '0.b': array([1.])}
    """
    gradients: dict[str, Array] = {}
    ones = home_of(values[0]).ones((values[0].shape[0],), numpy_dtype(values[0]))
    # each δ is used up while it is in the cache, and its memory is free for the next one
    for place, delta in deltas(network, values, loss, divisor=points or values[0].shape[0]):
        gradients[f"{place}.W"] = product(delta.T, values[place])
        gradients[f"{place}.b"] = product(ones, delta)  # the sum over points, by BLAS
    return {name: gradients[name] for name in network.parameters}


def chain_gradients(network: Function, points: Array, loss: Function) -> dict[str, Array]:
    """Return the mean over the points of DE · DF_L · … · ∂F_l/∂parameter, multiplied by the cheapest plan.

    Parameters
    ----------
    network : Function
        With parameters.
    points : numpy.ndarray, shape (N, …)
    loss : Function
        The loss of the targets, one value a point.

    Returns
    -------
    dict of str to numpy.ndarray
        In the order and in the shapes of ``network.parameters`` (denominator layout).

    Raises
    ------
    MemoryBudgetError
        If the rows of all points by one parameter would take more than 2 GiB.

    Examples
    --------
    >>> import numpy as np
    >>> from jacobians import SquaredError
    >>> net = Sequential(Affine([[1.0, 1.0]], [0.0]))
    >>> chain_gradients(net, np.array([[1.0, 2.0], [3.0, 4.0]]), SquaredError([[2.0], [6.0]], scale=0.5))
    {'0.W': array([[2., 3.]]), '0.b': array([1.])}
    """
    gradients = {}
    for name, value in network.parameters.items():
        chain = Chain.from_network(network, points, loss, by=name, batched=True)
        rows = chain.plan("optimal", dead_units=True).execute().jacobian.dense()  # (N, 1, entries)
        xp = namespace_of(rows)
        gradients[name] = xp.reshape(xp.mean(rows, axis=0), value.shape)
    return gradients
