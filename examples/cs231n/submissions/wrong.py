"""The bias is averaged, ReLU passes everything, and dx is not divided by the number of rows."""

import numpy as np


def affine_forward(x, w, b):
    """Return (out, cache)."""
    return x.reshape(len(x), -1).dot(w) + b, {"x": x, "w": w}


def affine_backward(dout, cache):
    """Return (dx, dw, db)."""
    x, w = cache["x"], cache["w"]
    return dout.dot(w.T).reshape(x.shape), x.reshape(len(x), -1).T.dot(dout), dout.mean(axis=0)


def relu_forward(x):
    """Return (out, cache)."""
    return np.maximum(0, x), x


def relu_backward(dout, cache):
    """Return dx."""
    return dout.copy()


def softmax_loss(x, y):
    """Return (loss, dx)."""
    p = np.exp(x - x.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y]).mean()
    p[np.arange(len(y)), y] -= 1
    return loss, p
