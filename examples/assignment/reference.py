"""The answers of the course; this file never reaches a submission's process."""

import numpy as np

from jacobians import Affine, Sequential, Tanh


def layer(W, b, x):
    """Return y = tanh(Wx + b)."""
    return np.tanh(W @ x + b)


def network(W, b):
    """Return the same layer as a function of the toolkit."""
    return Sequential(Affine(W, b), Tanh())


def jacobian_by_weights(W, b, x):
    """Return ∂y/∂W of shape (h, h, d): T[i, j, k] = ∂y_i/∂W_jk = δ_ij φ′(z_i) x_k."""
    slope = 1 - layer(W, b, x) ** 2
    return np.einsum("ij,k->ijk", np.diag(slope), x)
