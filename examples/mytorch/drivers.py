"""Drivers: they run beside the submission, open its classes, and return arrays."""

import numpy as np


def linear(hw, W, b, A, dLdZ):
    """Run a layer forward and backward."""
    layer = hw.Linear(W, b)
    layer.forward(A)
    return {"dLdA": layer.backward(dLdZ), "dLdW": layer.dLdW, "dLdb": layer.dLdb}


def mlp(hw, W1, W2, A):
    """Run two layers one after the other."""
    layers = [hw.Linear(W1, np.zeros(len(W1))), hw.Linear(W2, np.zeros(len(W2)))]
    Z = A
    for layer in layers:
        Z = layer.forward(Z)
    return {"Z": Z, "steps": len(layers)}
