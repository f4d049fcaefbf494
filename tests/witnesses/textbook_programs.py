"""Programs in plain NumPy as a textbook writes them, with points for their arguments."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

RNG = np.random.default_rng(7)


def random(*shape):
    return RNG.uniform(-0.8, 0.8, shape)


def recurrent(xs, W, U, b, h):
    for t in range(5):
        h = np.tanh(W @ h + U @ xs[t] + b)
    return h


def attention(X, Wq, Wk, Wv):
    Q, K, V = X @ Wq, X @ Wk, X @ Wv
    S = Q @ K.T / np.sqrt(K.shape[1])
    E = np.exp(S - S.max(axis=1, keepdims=True))
    return (E / E.sum(axis=1, keepdims=True)) @ V


def batch_norm(X, gamma, beta):
    mu = X.mean(axis=0)
    var = X.var(axis=0)
    return gamma * (X - mu) / np.sqrt(var + 1e-5) + beta


def convolution_by_loops(image, kernel):
    h, w = image.shape[0] - kernel.shape[0] + 1, image.shape[1] - kernel.shape[1] + 1
    out = np.zeros((h, w))
    for i in range(h):
        for j in range(w):
            out[i, j] = np.sum(image[i : i + kernel.shape[0], j : j + kernel.shape[1]] * kernel)
    return out


def convolution_by_windows(image, kernel):
    return np.einsum("ijkl,kl->ij", sliding_window_view(image, kernel.shape), kernel)


def lstm_cell(x, h, c, W, U, b):
    z = W @ x + U @ h + b
    i, f, g, o = np.split(z, 4)
    sigmoid = lambda t: 1 / (1 + np.exp(-t))  # noqa: E731
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gaussian_log_likelihood(X, mu, A):
    S = A @ A.T + np.eye(3)
    L = np.linalg.cholesky(S)
    Z = np.linalg.solve(L, (X - mu).T)
    return -0.5 * np.sum(Z**2) - len(X) * np.sum(np.log(np.diag(L))) - 1.5 * len(X) * np.log(2 * np.pi)


PROGRAMS = {
    "recurrent net": (recurrent, random(5, 2), random(3, 3), random(3, 2), random(3), random(3)),
    "attention": (attention, random(4, 3), random(3, 2), random(3, 2), random(3, 2)),
    "batch normalisation": (batch_norm, random(5, 3), random(3), random(3)),
    "convolution by loops": (convolution_by_loops, random(4, 5), random(2, 3)),
    "convolution by windows": (convolution_by_windows, random(4, 5), random(2, 3)),
    "LSTM cell": (lstm_cell, random(3), random(2), random(2), random(8, 3), random(8, 2), random(8)),
    "Gaussian log-likelihood": (gaussian_log_likelihood, random(4, 3), random(3), random(3, 3)),
}
