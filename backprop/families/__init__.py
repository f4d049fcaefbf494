"""Whole families of networks: what left, right and optimal cost over widths, depths and batches, without one array."""

from backprop.families.shapes import FAMILIES, NetworkShape
from backprop.families.sweep import Sweep, sweep
from backprop.families.table import Crossover

__all__ = ["FAMILIES", "Crossover", "NetworkShape", "Sweep", "sweep"]
