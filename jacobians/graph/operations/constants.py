"""Functions of NumPy whose results are constants: they get no vertex and no edge."""

import numpy as np

# what has no derivative worth an edge: the value goes on as a constant
CONSTANT = {np.sign, np.floor, np.ceil, np.rint, np.trunc, np.heaviside, np.floor_divide, np.round}
DECIDING = {np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal, np.isnan, np.isfinite,
             np.isinf, np.signbit, np.argmax, np.argmin, np.argsort, np.any, np.all, np.allclose, np.isclose,
             np.array_equal, np.count_nonzero, np.nonzero, np.searchsorted, np.logical_and, np.logical_or,
             np.logical_not, np.logical_xor, np.argwhere, np.flatnonzero, np.argpartition, np.digitize, np.isin,
             np.array_equiv, np.isreal, np.iscomplex, np.lexsort}  # fmt: skip
# what has a derivative at the point, by entries that others may be elsewhere
CHOOSING = {np.max, np.min, np.amax, np.amin, np.sort}
SHAPES = {np.shape, np.ndim, np.size, np.iscomplexobj, np.isrealobj, np.result_type, np.common_type}
FILLED = {np.zeros_like: 0.0, np.ones_like: 1.0, np.empty_like: 0.0, np.full_like: None}
