"""Options of a data set in MOTChallenge's form."""

from typing import Annotated

from pydantic import Field

from pipeline.basics.options import Options

Classes = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False)]


class MotOptions(Options):
    """Which sequences and frames are taken, and which boxes are people.

    Attributes:
        sequences: the names of their folders; None for all that have a `gt/gt.txt`.
        every: seconds from one frame to the next that is taken; 0 for all frames.
        frame_rate: frames a second of sequences without a `seqinfo.ini`.
        person_classes: the classes of people.
        ignored_classes: the classes that become ignored boxes; those of neither list are background.
        min_visibility: a person who is less visible, 0 to 1, becomes an ignored box.
    """

    sequences: Annotated[tuple[str, ...], Field(strict=False)] | None = None
    every: float = Field(default=1.0, ge=0.0)
    frame_rate: float | None = Field(default=None, gt=0.0)
    person_classes: Classes = (1,)
    ignored_classes: Classes = (2, 7, 8, 12, 13)
    min_visibility: float = Field(default=0.25, ge=0.0, le=1.0)
