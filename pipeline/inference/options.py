"""How a student is run over a split."""

from pydantic import Field

from pipeline.basics.options import Options, added_field


class InferenceOptions(Options):
    """How a student is run.

    Attributes:
        batch_size: scenes at a time; of a query-guided network, pairs of scenes.
        context_threshold: lowest score, 0..1, of the people around a query that are kept for CBGM.
        galleries: names of those in which a query-guided network searches; None for the data set's default.
    """

    batch_size: int = Field(gt=0)
    context_threshold: float = Field(ge=0, le=1)
    galleries: list[str] | None = added_field(None)
