"""The answers of the course; this file never reaches a submission's process."""

import numpy as np


def affine_forward(x, w, b):
    """Return (out, cache) for rows x of any shape."""
    return x.reshape(len(x), -1) @ w + b, (x, w, b)


def affine_backward(dout, cache):
    """Return (dx, dw, db)."""
    x, w, _ = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)


def relu_forward(x):
    """Return (out, cache)."""
    return np.maximum(x, 0), x


def softmax_loss(x, y):
    """Return the mean loss of the labels y: the witnesses differentiate it by x."""
    shifted = x - x.max(axis=1, keepdims=True)
    return np.mean(np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(y)), y])
