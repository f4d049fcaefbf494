"""The answers of the course; this file never reaches a submission's process."""


def affine(W, b, A):
    """Return the layer's value for rows A: the witnesses differentiate it."""
    return A @ W.T + b


class Linear:
    """A layer in the course's own words."""

    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, A):
        """Return Z and keep A."""
        self.A = A
        return affine(self.W, self.b, A)

    def backward(self, dLdZ):
        """Return dLdA and keep the gradients."""
        self.dLdW, self.dLdb = dLdZ.T @ self.A, dLdZ.sum(axis=0)
        return dLdZ @ self.W
