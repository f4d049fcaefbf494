"""Is it right? Independent witnesses for Jacobians, and one verdict from them.

Importing this package loads neither sympy nor SciPy: each witness imports what it uses when it is used.
"""

from jacobians import __version__
from jacobians.picture import Picture
from verification.assertions import assert_gradient
from verification.backward import BackwardReport, GradientRow, assert_backward, check_backward
from verification.backward_calls import layer_functions
from verification.check import assert_jacobian, check
from verification.diagnosis.diagnose import Diagnosis, diagnose
from verification.formulas import FormulaReport, check_formula, same_formula
from verification.pictures import error_map, step_curve
from verification.report import CheckReport, Witness, Worst
from verification.tracing.scalars import NotAnalyticError, TracingError, UndecidedError
from verification.witnesses.adjoint import AdjointResult, adjoint_test
from verification.witnesses.asking import Budget
from verification.witnesses.block_identity import block_derivative, block_jacobian
from verification.witnesses.certified import Enclosure, certified_jacobian
from verification.witnesses.finite_difference import (
    RichardsonResult,
    finite_difference_jacobian,
    richardson_jacobian,
)
from verification.witnesses.step_errors import StepErrors, step_errors
from verification.witnesses.symbolic import SymbolicJacobian, symbolic_jacobian
from verification.witnesses.taylor import TaylorResult, taylor_test

__all__ = [
    "AdjointResult",
    "BackwardReport",
    "Budget",
    "CheckReport",
    "Diagnosis",
    "Enclosure",
    "FormulaReport",
    "GradientRow",
    "NotAnalyticError",
    "Picture",
    "RichardsonResult",
    "StepErrors",
    "SymbolicJacobian",
    "TaylorResult",
    "TracingError",
    "UndecidedError",
    "Witness",
    "Worst",
    "__version__",
    "adjoint_test",
    "assert_backward",
    "assert_gradient",
    "assert_jacobian",
    "block_derivative",
    "block_jacobian",
    "certified_jacobian",
    "check",
    "check_backward",
    "check_formula",
    "diagnose",
    "error_map",
    "finite_difference_jacobian",
    "layer_functions",
    "richardson_jacobian",
    "same_formula",
    "step_curve",
    "step_errors",
    "symbolic_jacobian",
    "taylor_test",
]
