"""A layer as a class, which imports from its own package."""

from .shapes import summed


class Linear:
    """Z = A Wᵀ + b on rows."""

    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, A):
        """Return Z."""
        self.A = A
        return A @ self.W.T + self.b

    def backward(self, dLdZ):
        """Return dLdA."""
        self.dLdW = dLdZ.T @ self.A
        self.dLdb = summed(dLdZ)
        return dLdZ @ self.W
