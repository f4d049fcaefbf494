"""What a bracketing is."""

from typing import Union

Tree = Union[int, tuple["Tree", "Tree"]]  # noqa: UP007  # `|` can't name a type that is not yet defined
"""A bracketing: a factor's index, or a pair of bracketings."""
