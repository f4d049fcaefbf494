"""The catalogue of layers: activations, norms, losses, matrix functions and compositions."""
