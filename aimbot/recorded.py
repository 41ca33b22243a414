"""What a session says of the aim, checked once, so that those who read it need not."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from capture.errors import UserError
from capture.session import HEADER, ROWS, Session, Whole, blame_line, describe_fault

Box = Annotated[list[float], Field(min_length=4, max_length=4)]
Move = Annotated[list[Whole], Field(min_length=3, max_length=3)]
Size = Annotated[list[Annotated[int, Field(gt=0)]], Field(min_length=2, max_length=2)]


class Part(BaseModel):
    """A JSON object; what it holds besides is no matter."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class ViewPart(Part):
    fov_deg: float | None = None
    yaw_deg_per_count: float | None = None
    pitch_deg_per_count: float | None = None
    game_width_px: int | None = Field(None, gt=0)


class AimPart(Part):
    view: ViewPart = ViewPart()


class SettingsPart(Part):
    """What is read of a session's settings alone; who takes all of them validates them as such."""

    aim: AimPart = AimPart()


class LevelPart(Part):
    input_px: Size
    threads: int = Field(ge=0)


class Header(Part):
    settings: SettingsPart = SettingsPart()
    class_names: list[str] = []
    levels: list[LevelPart] = []


class DetectionsPart(Part):
    xyxy_px: list[Box] = []
    confidence: list[float] = []
    class_id: list[int] = []

    @model_validator(mode="after")
    def _check_lengths(self) -> Self:
        if not len(self.xyxy_px) == len(self.confidence) == len(self.class_id):
            raise ValueError("there are not as many confidences and classes as boxes")
        return self


class GatesPart(Part):
    armed: bool
    focused: bool


class AppliedPart(Part):
    dx_counts: Whole
    dy_counts: Whole
    fire: bool


class StagesPart(Part):
    wait: float
    detect: float
    age: float


class AimRow(Part):
    """What `run --record` adds to a row; `record` adds nothing."""

    decided_ns: Whole = 0
    sent_ns: Whole = 0
    gates: GatesPart = GatesPart(armed=False, focused=False)
    hand: list[Move] = []
    moves: list[Move] = []
    detections: DetectionsPart = DetectionsPart()
    applied: AppliedPart = AppliedPart(dx_counts=0, dy_counts=0, fire=False)
    stage_ms: StagesPart = StagesPart(wait=0, detect=0, age=0)
    level: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        missing = {"sent_ns", "gates", "applied"} - self.model_fields_set
        if "decided_ns" in self.model_fields_set and missing:
            raise ValueError(f"decided_ns is there without {' and '.join(sorted(missing))}")
        return self


def check_session(session: Session) -> None:
    """UserError with the file, and the line, for what no run writes into a header or a row."""
    try:
        classes = len(Header.model_validate(session.header).class_names)
    except ValidationError as error:
        path, fault = session.folder / HEADER, describe_fault(error)
        raise UserError(
            f"expected the header of a session in {path}, got {fault}; record it again"
        ) from error
    for number, row in enumerate(session.rows, 1):
        try:
            seen = AimRow.model_validate(row).detections.class_id
        except ValidationError as error:
            raise blame_line(session.folder / ROWS, number, describe_fault(error)) from error
        if seen and not 0 <= min(seen) <= max(seen) < classes:
            fault = f"a class_id that is none of the header's {classes} class_names"
            raise blame_line(session.folder / ROWS, number, fault)
