"""A layer whose weight gradient is transposed, and whose bias gradient has the wrong sign."""

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
        self.dLdW = self.A.T @ dLdZ
        self.dLdb = -summed(dLdZ)
        return dLdZ @ self.W
