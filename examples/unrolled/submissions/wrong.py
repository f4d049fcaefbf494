"""The biases are regularised, and the gradient is not divided by the number of examples."""

import numpy as np


def sigmoid(z):
    """Return 1/(1 + e^-z)."""
    return 1 / (1 + np.exp(-z))


def cost(parameters, sizes, X, y, lam):
    """Return the cost and its gradient, unrolled."""
    d, h, classes = sizes
    theta1 = parameters[: h * (d + 1)].reshape(h, d + 1)
    theta2 = parameters[h * (d + 1) :].reshape(classes, h + 1)
    m = len(X)
    a1 = np.c_[np.ones(m), X]
    a2 = np.c_[np.ones(m), sigmoid(a1 @ theta1.T)]
    a3 = sigmoid(a2 @ theta2.T)
    Y = np.eye(classes)[y]
    J = -np.sum(Y * np.log(a3) + (1 - Y) * np.log(1 - a3)) / m
    J += lam / (2 * m) * (np.sum(theta1[:, 1:] ** 2) + np.sum(theta2[:, 1:] ** 2))
    d3 = a3 - Y
    d2 = (d3 @ theta2[:, 1:]) * a2[:, 1:] * (1 - a2[:, 1:])
    grad1, grad2 = d2.T @ a1, d3.T @ a2
    grad1 += lam * theta1
    grad2 += lam * theta2
    return J, np.r_[grad1.ravel(), grad2.ravel()]
