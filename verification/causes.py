"""Why a witness, a verdict or a diagnosis says what it says: closed sets, which decisions read; sentences come last."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """Why a witness or a verdict says what it says.

    Attributes
    ----------
    AGREES, DIFFERS
        Every entry is confirmed; some entries differ by more than is tolerated.
    CANCELLED
        They differ, and a formula of a slope that cancels at the point would give as much: no entry is right to 1e-3.
    OFF_EVERYWHERE
        No entry is right to 1e-3, and the rounding of terms that cancel in the chain rule could explain that.
    ROUNDING
        Some entries deviate visibly, and only the rounding of terms that cancel could explain that.
    IMPRECISE
        The witness is not precise enough for some entries.
    KINK
        The one-sided differences keep disagreeing as the step falls.
    BENDS
        The same, though f has a derivative: it bends too much within the step.
    STEP_KINK
        A step of the code has no derivative where the point takes it; f itself may have one.
    OPEN
        A comparison lies on its boundary, or too near to it for the precision.
    NOT_FINITE
        There is no finite derivative, or no finite value to find one from.
    NOT_ANALYTIC, UNTRACED
        The code is not complex analytic; it can't be followed.
    OVER_BUDGET, INAPPLICABLE
        It would cost more than is allowed; the question makes no sense for this f.
    FAILED
        An exception stopped it, f's own most often: its text is shown, and decides nothing.
    CONTRADICTION
        A witness agrees, and one that is as good or better disagrees.
    UNEXPLAINED
        The witnesses that make verdicts agree, and one that supports them disagrees.
    NOT_TRANSPOSES
        matvec and rmatvec are not those of one matrix.
    NO_WITNESS
        None could run.
    NO_VALUE, EMPTY, POINT_NOT_FINITE, VALUE_NOT_FINITE, WRITES, RANDOM
        f itself: it returns no real array, or an empty one; x or f(x) is not finite; f writes to x, or is random.
    FORM, CANDIDATE_NOT_FINITE
        The candidate: its shape or kind can't be right; it has entries that are not finite.
    """

    AGREES = "agrees"
    DIFFERS = "differs"
    CANCELLED = "cancelled"
    OFF_EVERYWHERE = "off-everywhere"
    ROUNDING = "rounding"
    IMPRECISE = "imprecise"
    KINK = "kink"
    BENDS = "bends"
    STEP_KINK = "step-kink"
    OPEN = "open"
    NOT_FINITE = "not-finite"
    NOT_ANALYTIC = "not-analytic"
    UNTRACED = "untraced"
    OVER_BUDGET = "over-budget"
    INAPPLICABLE = "inapplicable"
    FAILED = "failed"
    CONTRADICTION = "contradiction"
    UNEXPLAINED = "unexplained"
    NOT_TRANSPOSES = "not-transposes"
    NO_WITNESS = "no-witness"
    NO_VALUE = "no-value"
    EMPTY = "empty"
    POINT_NOT_FINITE = "point-not-finite"
    VALUE_NOT_FINITE = "value-not-finite"
    WRITES = "writes"
    RANDOM = "random"
    FORM = "form"
    CANDIDATE_NOT_FINITE = "candidate-not-finite"


class Slip(StrEnum):
    """What may be wrong with a Jacobian; a diagnosis names one, or two that were made at once.

    Attributes
    ----------
    RIGHT, UNKNOWN, NOT_FINITE, NOISE, SHAPE
        Nothing is wrong; no known slip fits; entries are not finite; the deviation has the size of a step error; the
        entries are right, or unknown, and the shape is not.
    SIGN, FACTOR, ZERO, ENTRY, ROW, COLUMN
        Read off the entries: −J, c·J, 0; one entry, row or column alone is wrong.
    TRANSPOSED, VEC_ORDER, BIAS_COLUMN
        The form: denominator layout, column-major order, the column of a bias.
    MISSING_DERIVATIVE, FUNCTION_FOR_DERIVATIVE, DERIVATIVE_AT_OUTPUT, WRONG_POINT
        φ′ is left out, φ stands for it, or it is taken elsewhere.
    SOFTMAX_ELEMENTWISE, MATRIX_TRANSPOSED, MISSING_FACTOR, ORDER, SHIFTED
        The chain rule: softmax entry by entry; a factor transposed, left out, or in another place; the derivative by
        another parameter.
    MISSING_PATH, MISSING_CONSTANT, WRONG_VALUE, OTHER_DERIVATIVE, ELEMENTWISE, APPLIED_TWICE
        In the graph of the code: an edge, or a constant such as a target, is left out; another value of the same
        shape is used; another function's derivative; a Jacobian that isn't diagonal is taken entry by entry; one is
        applied twice.
    REPEATED_INDEX, ONE_USE, MASK, REVERSED, PLACE
        Repeated indices assigned; one use of several counted; the mask of a maximum or a condition; a kernel or an
        answer turned; parts in another place.
    NOT_SUMMED, WRONG_AXIS, PER_POINT, HESSIAN, REGULARISATION, EXTRA_ENTRIES, SYMMETRY
        Not summed, or over another axis; the blocks of a batch, or their sum; the Hessian for the gradient; c times
        the parameter; a border that is not dropped; one triangle, or S + Sᵀ, of a symmetric answer.
    """

    RIGHT = "right"
    UNKNOWN = "unknown"
    NOT_FINITE = "not-finite"
    NOISE = "noise"
    SHAPE = "shape"
    SIGN = "sign"
    FACTOR = "factor"
    ZERO = "zero"
    ENTRY = "entry"
    ROW = "row"
    COLUMN = "column"
    TRANSPOSED = "transposed"
    VEC_ORDER = "vec-order"
    BIAS_COLUMN = "bias-column"
    MISSING_DERIVATIVE = "missing-derivative"
    FUNCTION_FOR_DERIVATIVE = "function-for-derivative"
    DERIVATIVE_AT_OUTPUT = "derivative-at-output"
    WRONG_POINT = "wrong-point"
    SOFTMAX_ELEMENTWISE = "softmax-elementwise"
    MATRIX_TRANSPOSED = "matrix-transposed"
    MISSING_FACTOR = "missing-factor"
    ORDER = "order"
    SHIFTED = "shifted"
    MISSING_PATH = "missing-path"
    MISSING_CONSTANT = "missing-constant"
    WRONG_VALUE = "wrong-value"
    OTHER_DERIVATIVE = "other-derivative"
    ELEMENTWISE = "elementwise"
    APPLIED_TWICE = "applied-twice"
    REPEATED_INDEX = "repeated-index"
    ONE_USE = "one-use"
    MASK = "mask"
    REVERSED = "reversed"
    PLACE = "place"
    NOT_SUMMED = "not-summed"
    WRONG_AXIS = "wrong-axis"
    PER_POINT = "per-point"
    HESSIAN = "hessian"
    REGULARISATION = "regularisation"
    EXTRA_ENTRIES = "extra-entries"
    SYMMETRY = "symmetry"
