"""What pytest leaves out: an engine's file, which imports its library, where that isn't installed."""

from importlib.util import find_spec

collect_ignore = [
    f"backprop/compiling/engines/with_{library}.py"
    for library in ("jax", "numba")
    if find_spec(library) is None
]
