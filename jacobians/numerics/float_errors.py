"""NumPy's floating-point errors stay inside the calls of these packages, whatever the caller's error state says.

What overflows, underflows or is no number is part of the result: ∞, 0 or NaN, as IEEE 754 has it.
"""

from __future__ import annotations

import numpy as np

without_float_errors = np.errstate(all="ignore")
"""Decorator of public calls: nothing within warns or raises, and the caller's ``np.errstate`` is back afterwards.

Examples
--------
>>> import numpy as np
>>> @without_float_errors
... def halved(x):
...     return np.multiply(x, 0.5)
>>> with np.errstate(all="raise"):
...     print(halved(np.array(5e-324)), np.geterr()["under"])
0.0 raise
"""
