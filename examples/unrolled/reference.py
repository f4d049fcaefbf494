"""The answers of the course; this file never reaches a submission's process."""

import numpy as np


def cost(parameters, sizes, X, y, lam):
    """Return the cost of a network with one hidden layer: sigmoids, a bias in the first column of each matrix."""
    d, h, classes = (int(size) for size in sizes)
    first = parameters[: h * (d + 1)].reshape(h, d + 1)
    second = parameters[h * (d + 1) :].reshape(classes, h + 1)
    hidden = 1 / (1 + np.exp(-(X @ first[:, 1:].T + first[:, 0])))
    output = 1 / (1 + np.exp(-(hidden @ second[:, 1:].T + second[:, 0])))
    target = np.eye(classes)[y]
    loss = -np.sum(target * np.log(output) + (1 - target) * np.log(1 - output)) / len(X)
    return loss + lam / (2 * len(X)) * (np.sum(first[:, 1:] ** 2) + np.sum(second[:, 1:] ** 2))
