"""The empirical neural tangent kernel of a network, from its structured Jacobians."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jacobians import Function
from jacobians.names import class_name
from jacobians.numerics.arrays import Array
from jacobians.numerics.float_errors import without_float_errors
from jacobians.products.pairwise import pairwise_products


@without_float_errors
def tangent_kernel(
    network: Function,
    X: Any,
    Y: Any = None,
    *,
    wrt: str | Sequence[str] | None = None,
    max_bytes: int | None = None,
) -> Array:
    """Return Θ[p, q] = J_p·J_qᵀ, J the Jacobian of the outputs by the parameters: the neural tangent kernel.

    It is the kernel of a network as it stands, not of its limit of infinite width (Jacot, Gabriel and Hongler, "Neural
    tangent kernel: convergence and generalization in neural networks", NeurIPS 2018). By a weight matrix J_p is
    S_p ⊗ a_pᵀ, so that its term is (S_p S_qᵀ)(a_p·a_q), from matrices of the size of a layer (the structured
    derivatives of Novak, Sohl-Dickstein and Schoenholz, "Fast finite width neural tangent kernel", ICML 2022). One
    forward pass, one product of prefixes from the output, one product of matrices a layer; no row of J is expanded.

    Parameters
    ----------
    network : Function
        With parameters.
    X : array_like, shape (N, …)
        Points along the first axis.
    Y : array_like, shape (N', …), optional
        The points of the second index; those of X by default.
    wrt : str or sequence of str, optional
        The parameters; all by default.
    max_bytes : int, optional
        The most that the answer may take; 2 GiB by default.

    Returns
    -------
    numpy.ndarray, shape (N, N', m, m)
        For m outputs; a view of an array of shape (m, m, N, N'), which ``.transpose(2, 3, 0, 1)`` gives without a copy.

    Raises
    ------
    TypeError, ValueError
        If an argument is refused, or the network has no parameters.
    MemoryBudgetError
        If the kernel would take more than `max_bytes`.

    Examples
    --------
    Of a linear function with a bias, 1 + x·x':

    >>> from jacobians import Affine
    >>> tangent_kernel(Affine([[5.0, 6.0]], [0.0]), [[1.0, 0.0], [3.0, 4.0]])[:, :, 0, 0]
    array([[ 2.,  4.],
           [ 4., 26.]])
    """
    if not isinstance(network, Function):
        raise TypeError(f"network: found {class_name(network)}, expected a Function with parameters")
    names = list(network.parameters) if wrt is None else [wrt] if isinstance(wrt, str) else wrt
    if wrt is None and not names:
        raise ValueError(f"network: found {network!r} without parameters, expected at least one")
    J = network.jacobian(X, names, batched=True)
    K = None if Y is None else network.jacobian(Y, names, batched=True)
    return pairwise_products(J, K, max_bytes=max_bytes)
