"""A function that an assignment asks for: what it is called with, what it returns, where the answers come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    Strict,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema

from verification.causes import Slip
from verification.grading.fields import Name, Names, Table, Text, refusal
from verification.grading.points import Point, Reveal

Form = Literal[
    "matrix",
    "numerator",
    "mixed",
    "denominator",
    "gradient",
    "vjp",
    "value",
    "multiplications",
    "bracketing",
    "formula",
    "structure",
    "shape",
    "layout",
]
FORMS: tuple[Form, ...] = get_args(Form)
CHAIN_FORMS: frozenset[Form] = frozenset({"multiplications", "bracketing"})
"""What is asked about a chain of matrices: ours computes the answer."""
OWN_FORMS: frozenset[Form] = CHAIN_FORMS | {"formula"}
"""What is answered without code of the course."""
PLAIN_FORMS: frozenset[Form] = OWN_FORMS | {"value"}
"""What is no derivative at a point."""
TEXT_FORMS: frozenset[Form] = frozenset({"bracketing", "formula", "structure", "layout"})
"""What is answered by a text."""
_SLIPS = {str(slip): str(slip) for slip in Slip} | {"constant-factor": "factor"}
LARGEST_RELATIVE = 1e-2
_PATH = r"^[^\W\d]\w*(\.[^\W\d]\w*)*$"


@dataclass(frozen=True)
class Tolerance:
    """How far an entry may be off.

    Attributes
    ----------
    relative : float
        As a part of the expected entry; a thousandth of it, as a part of the largest expected entry, is allowed
        everywhere, for entries that cancel.
    absolute : float
        Added to it.
    """

    relative: float = 1e-6
    absolute: float = 0.0


@dataclass(frozen=True)
class Output:
    """One array that a function returns.

    Attributes
    ----------
    name : str
        Its name in `returns`, "" for the answer of a function that returns one.
    form : str
        What it is.
    wrt : str
        The argument by which is differentiated, "" for none.
    share : float
        Its part of the marks of a point.
    """

    name: str
    form: Form
    wrt: str
    share: float


class Return(Table):
    """One of several arrays that a function returns."""

    name: Annotated[str, Field(pattern=_PATH)] = Field(
        description="For the reports; in a dict its key. An entry of a dict in a tuple is written with a dot: grads.W."
    )
    wrt: str = Field(
        "", description="The argument by which is differentiated; by default what follows the d: x for dx."
    )
    form: Form | None = Field(None, description="What it is; by default what the function's form says.")
    marks: float = Field(1.0, ge=0, le=1e9, description="Its weight: the marks of a point are shared by it.")

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the schema: a name alone will do."""
        return {"anyOf": [{"type": "string", "pattern": _PATH}, handler(core_schema)]}


def _by_name(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class Cache(Table):
    """An argument that is what another function of the submission returned."""

    function: Name = Field(description="The function of the submission that is called first.")
    arguments: Names = Field(min_length=1, description="What it is called with: arguments that points give.")
    argument: Name = Field("cache", description="Which argument its result is passed on as.")
    take: Annotated[
        int | str | None, WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}]})
    ] = Field(1, description="The entry of its result that is taken: a place or a key.")
    whole: bool = Field(False, description="Whether the whole result is passed on, and nothing is taken.")


class Task(Table):
    """A function that a submission must define."""

    name: Name = Field(description="Its name.")
    arguments: Names = Field(
        (), description="The names of its arguments, which are passed by place; none where form is 'formula'."
    )
    returns: Annotated[tuple[Annotated[Return, BeforeValidator(_by_name)], ...], Strict(False)] = Field(
        (),
        description="The names of the arrays that it returns, in a tuple or a dict; none for a single answer.",
    )
    cache: Cache | None = Field(
        None, description="An argument that is what another function of the submission returned."
    )
    driver: Name | Literal[""] = Field(
        "",
        description="A function of the file of drivers that is called with the submission before the arguments.",
    )
    reference: Name | Literal[""] = Field("", description="A function of the reference file: the answer.")
    forward: Name | Literal[""] = Field(
        "", description="A function of the reference file, in plain NumPy, that the witnesses differentiate."
    )
    toolkit: Text | Literal[""] = Field(
        "",
        description="A class of jacobians, or a function of the reference file that returns one of its Functions.",
    )
    wrt: str = Field("", description="The argument by which is differentiated.")
    upstream: str = Field(
        "",
        description="With form = 'vjp': the argument that is the derivative of a loss by what forward returns.",
    )
    input: str = Field(
        "",
        description="With toolkit: the argument that the function is applied to; the last one by default. With "
        "form = 'layout': the argument that holds the array.",
    )
    formula: Text | Literal[""] = Field("", description="With form = 'formula': what wrt differentiates.")
    declare: dict[str, Any] = Field(
        {},
        description="With form = 'formula': sizes and properties of its variables, { A = 'n×n symmetric' }.",
    )
    written_as: Text | Literal[""] = Field(
        "",
        description="With form = 'formula': the derivative as it must be written, up to the order of terms.",
    )
    layout: Literal["matrix", "numerator", "mixed", "denominator"] = Field(
        "matrix", description="With form = 'shape': in which layout."
    )
    form: Form = Field("matrix", description="What the answer is.")
    relative: float = Field(
        1e-6,
        gt=0,
        le=LARGEST_RELATIVE,
        description="The tolerance of an entry, as a part of the expected one.",
    )
    absolute: float = Field(0.0, ge=0, le=1e9, description="Added to it.")
    half_if: Annotated[tuple[str, ...], Strict(False)] = Field(
        (), description="Diagnoses for which half of the marks is given: transposed, sign, constant factor."
    )
    reveal: Reveal | None = Field(None, description="What the student is told.")
    points: Annotated[tuple[Point, ...], Strict(False)] = Field(alias="point", min_length=1)

    @property
    def tolerance(self) -> Tolerance:
        """How far an entry may be off."""
        return Tolerance(self.relative, self.absolute)

    @property
    def taken(self) -> str:
        """The argument of which `toolkit` is a function; the others are its parameters."""
        return self.input or self.arguments[-1]

    @property
    def inputs(self) -> tuple[str, ...]:
        """What a point gives: the arguments, and those of the function that the cache comes from in its place."""
        if self.cache is None:
            return self.arguments
        own = [name for name in self.arguments if name != self.cache.argument]
        return tuple(dict.fromkeys([*own, *self.cache.arguments]))

    @property
    def forward_arguments(self) -> tuple[str, ...]:
        """What `forward` is called with: the arguments of the cached function, or all but `upstream`."""
        names = self.inputs if self.cache is None else self.cache.arguments
        apart = {self.upstream} | ({self.input} if self.form == "layout" else set())
        return tuple(name for name in names if name not in apart)

    @property
    def answers_by_driver(self) -> bool:
        """Whether the reference is opened by the driver, as a submission is, for the answers."""
        source = self.reference or self.forward or self.toolkit
        return bool(self.driver) and not source and not {output.form for output in self.outputs} <= OWN_FORMS

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What it returns, one array or several."""
        if not self.returns:
            return (Output("", self.form, self.wrt, 1.0),)
        total = sum(entry.marks for entry in self.returns)
        return tuple(
            Output(entry.name, form, "" if form in PLAIN_FORMS else self._wrt_of(entry), entry.marks / total)
            for entry in self.returns
            for form in (entry.form or self.form,)
        )

    @property
    def half_marks_for(self) -> frozenset[str]:
        """The diagnoses for which half of the marks is given, as a diagnosis names them."""
        return frozenset(_SLIPS[_hyphened(name)] for name in self.half_if)

    @property
    def return_names(self) -> tuple[str, ...]:
        """The names in `returns`."""
        return tuple(entry.name for entry in self.returns)

    def _wrt_of(self, entry: Return) -> str:
        last = entry.name.rpartition(".")[2]
        guesses = (entry.wrt, self.wrt, last.removeprefix("d").removeprefix("_"), last)
        return next((name for name in guesses if name in self.inputs), entry.wrt)

    # --- what makes no sense ------------------------------------------------------------------------------

    @field_validator("points", mode="after")
    @classmethod
    def _named(cls, points: tuple[Point, ...]) -> tuple[Point, ...]:
        return tuple(
            point if point.name else point.model_copy(update={"name": f"point {number}"})
            for number, point in enumerate(points, 1)
        )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        asked = {output.form for output in self.outputs}
        for name in self.half_if:
            if _hyphened(name) not in _SLIPS:
                raise refusal(f"some of {', '.join(map(repr, _SLIPS))}", "half_if")
        if not self.arguments and asked != {"formula"}:
            raise refusal("at least one name", "arguments")
        self._require_questions(asked)
        if not (self.reference or self.forward or self.toolkit or self.driver or asked <= OWN_FORMS):
            raise refusal(
                "found no source of the expected answers, expected reference, forward or toolkit", whole=True
            )
        if self.driver and self.cache is not None:
            raise refusal("nothing beside driver, which can call what it needs", "cache")
        if self.toolkit and (self.reference or self.forward):
            raise refusal("it alone; leave out reference and forward", "toolkit")
        if self.cache is not None and self.cache.argument not in self.arguments:
            raise refusal(_one_of(self.arguments), "cache", "argument")
        self._require_returns()
        self._require_wrt()
        if self.input and not self.toolkit and not asked & (CHAIN_FORMS | {"layout"}):
            raise refusal("nothing without toolkit", "input")
        if self.input and self.input not in self.inputs:
            raise refusal(_one_of(self.inputs), "input")
        for number, point in enumerate(self.points):
            if self.inputs and point.values is None and point.shapes is None:
                raise refusal(
                    "found both or none of values and shapes, expected one of them",
                    "point",
                    number,
                    whole=True,
                )
            if set(point.given) != set(self.inputs):
                wanted = f"every argument, {', '.join(map(repr, self.inputs))}, once"
                raise refusal(
                    f"found {', '.join(map(repr, point.given)) or 'nothing'}, expected "
                    f"{wanted if self.inputs else 'no value, as there are no arguments'}",
                    "point",
                    number,
                    whole=True,
                )
        return self

    def _require_questions(self, asked: set[Form]) -> None:
        """Refuse what belongs to one form beside another."""
        for key in ("formula", "declare", "written_as"):
            if getattr(self, key) and "formula" not in asked:
                raise refusal("nothing without form = 'formula'", key)
        if "layout" in self.model_fields_set and "shape" not in asked:
            raise refusal("nothing without form = 'shape'", "layout")
        if "formula" in asked:
            if self.returns:
                raise refusal("nothing beside a formula; ask for each by a function of its own", "returns")
            for key in ("formula", "wrt"):
                if not getattr(self, key):
                    raise refusal('a text such as "x\'*A*x"' if key == "formula" else "a variable of it", key)
            for key in ("reference", "forward", "toolkit", "driver", "cache", "upstream"):
                if getattr(self, key):
                    raise refusal("nothing beside a formula", key)
        if "structure" in asked and not self.toolkit:
            raise refusal("a class of jacobians, where form is 'structure'", "toolkit")
        if asked & {"shape", "layout"} and not (self.toolkit or self.forward):
            raise refusal("a function that is differentiated, where form is 'shape' or 'layout'", "forward")
        if "layout" in asked and (self.returns or self.toolkit or self.input not in self.arguments):
            where = "returns" if self.returns else "toolkit" if self.toolkit else "input"
            wanted = "nothing beside form = 'layout'" if where != "input" else _one_of(self.arguments)
            raise refusal(wanted, where)

    def _require_returns(self) -> None:
        names = self.return_names
        if len(set(names)) != len(names):
            raise refusal("every name once", "returns")
        if names and sum(entry.marks for entry in self.returns) <= 0:
            raise refusal("an entry with marks above 0", "returns")
        deeper = {name.partition(".")[0] for name in names if "." in name}
        if deeper & set(names):
            raise refusal("an entry of a dict, or the dict itself, and not both", "returns")
        if self.wrt and len(names) > 1:
            raise refusal("nothing beside returns; name it there, as in { name = 'dx', wrt = 'x' }", "wrt")

    def _require_wrt(self) -> None:
        source = bool(self.forward or self.toolkit)
        for output in self.outputs:
            if output.form in PLAIN_FORMS:
                if not self.returns and self.wrt and output.form != "formula":
                    raise refusal(f"nothing beside form = {output.form!r}, which is no derivative", "wrt")
            elif output.wrt not in self.inputs and (output.wrt or source):
                what = f"for {output.name!r} wrt, " if output.name else ""
                raise refusal(what + _one_of(self.inputs), "returns" if output.name else "wrt")
        vjp = any(output.form == "vjp" for output in self.outputs)
        if vjp and not self.forward:
            raise refusal("a function that is differentiated, where form is 'vjp'", "forward")
        if (vjp or self.upstream) and self.upstream not in self.inputs:
            raise refusal(_one_of(self.inputs), "upstream")
        if self.upstream and not vjp:
            raise refusal("nothing without form = 'vjp'", "upstream")


def _hyphened(name: str) -> str:
    return "-".join(name.lower().split())


def _one_of(names: tuple[str, ...]) -> str:
    return f"one of {', '.join(map(repr, names))}"
