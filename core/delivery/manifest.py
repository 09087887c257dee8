"""The contents of bundle.json, as models that write it and check it when it is read. Imports pydantic and core."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, JsonValue, model_validator

from core.evidence.openings import OpeningColumns, OpeningTerms

FAMILY = "lassoscope-bundle/"
FORMAT: Literal["lassoscope-bundle/1"] = "lassoscope-bundle/1"
WITH_POLICIES: Literal["lassoscope-bundle/2"] = "lassoscope-bundle/2"  # a rule for each declared policy


class Part(BaseModel):
    """A part of the manifest; what a newer program adds is ignored."""

    model_config = ConfigDict(frozen=True, strict=True)


class BundleClass(Part):
    """A class of the probe, or a flagged one that it does not know."""

    name: str
    flagged: bool


class ProbePart(Part):
    """The probe in the bundle."""

    version: int
    classes: list[str]  # one a column
    labels: int  # it learned from


class OnnxPart(Part):
    """Inputs and outputs of model.onnx."""

    inputs: list[str]
    outputs: list[str]
    score_columns: list[str]
    largest_difference_to_torch: float  # over scores and embeddings


class CalibrationPart(Part):
    """`core.evidence.threshold.Calibration`."""

    slope: FiniteFloat
    intercept: FiniteFloat


class CheckLabel(Part):
    """One check label of the promise."""

    id: str  # of the image
    flagged: bool
    score: float  # logit


class PromisePart(Part, OpeningTerms, OpeningColumns):
    """The opening behind the promise, and what was promised."""

    n: int
    n_flagged: int
    covers_this_threshold: bool
    sentences: list[str]
    conditions: list[str]
    check_labels: list[CheckLabel]


class Rule(Part):
    """A threshold, and what is known about it."""

    policy: str = ""  # whose score by the probe is compared with the threshold; "" = that of all flagged classes
    threshold: FiniteFloat  # images that score >= it are reviewed
    operating_point: str  # "" if the threshold has no name
    chosen: str = ""  # what the threshold is, in words; older bundles lack it
    finds: list[str] = []  # the policy's classes; for all flagged classes, the record's say which are flagged
    calibration: CalibrationPart | None
    promise: PromisePart | None
    figures: dict[str, JsonValue] | None = None  # `FiguresRecord`, for people; undefined figures are null
    score_quantiles: Annotated[list[FiniteFloat], Field(min_length=2)]  # of the frame's scores, ascending


class Manifest(Part):
    """Content of bundle.json. In format 1 the fields of its only rule are fields of the record itself."""

    format: Literal["lassoscope-bundle/1", "lassoscope-bundle/2"] = FORMAT
    exported_at: str  # ISO 8601, UTC
    workspace: str
    rule: str
    rules: Annotated[list[Rule], Field(min_length=1)]
    classes: list[BundleClass]
    encoder: dict[str, JsonValue]  # its name and `Encoder.describe`, for people
    probe: ProbePart
    preprocessing: str
    onnx: OnnxPart
    files: dict[str, str]  # name -> BLAKE2b of its bytes, 16 bytes in hex
    version: str = ""  # of all the rest

    @model_validator(mode="before")
    @classmethod
    def _fold(cls, content: Any) -> Any:
        """Make a rule of the fields that format 1 has in the record itself."""
        if not isinstance(content, dict) or content.get("format", FORMAT) != FORMAT or "rules" in content:
            return content
        rule = {name: value for name, value in content.items() if name in Rule.model_fields}
        return {name: value for name, value in content.items() if name not in rule} | {"rules": [rule]}

    def to_json(self) -> dict[str, JsonValue]:
        """Return bundle.json's content; what was not set, such as figures without an opening, is left out."""
        record = self.model_dump(exclude_unset=True)
        return record | record.pop("rules")[0] if self.format == FORMAT else record
