"""Derivatives by the input: saliency, maximised inputs, style."""
