"""Options of how a data set that brings no split, or none for validation, is divided."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.basics.options import Options

SPLITS = ("train", "val", "test")


class SplitOptions(Options):
    """How scenes and people are divided into `train`, `val` and `test`.

    Attributes:
        seed: seed of all draws.
        by: what goes to one split as a whole. `sequences`: sequences, those that share a person together.
            `time`: a piece of each sequence. `auto`: sequences where that comes near the shares, else time.
        val_share: the share of the scenes, and of the people, that `val` gets; 0 for no such split.
        test_share: the same for `test`.
        train: a text file with the names of the scenes or sequences of `train`, a line each, below the data
            set's root. Where one of these three files is given, nothing is divided by shares.
        val: the same for `val`.
        test: the same for `test`.
        queries_per_person: how many scenes of each person in `val` and `test` are queries, at most.
        gallery_sizes: numbers of scenes in a gallery; there is always one, `full`, of all other scenes.
    """

    seed: int = Field(default=0, ge=0)
    by: Literal["auto", "sequences", "time"] = "auto"
    val_share: float = Field(default=0.1, ge=0.0, lt=1.0)
    test_share: float = Field(default=0.3, ge=0.0, lt=1.0)
    train: str | None = None
    val: str | None = None
    test: str | None = None
    queries_per_person: int = Field(default=2, ge=1)
    gallery_sizes: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _leave_some_for_training(self) -> "SplitOptions":
        if self.val_share + self.test_share >= 1:
            raise ValueError(
                "val_share and test_share must leave something for training: their sum is below 1"
            )
        return self

    @property
    def files(self) -> dict[str, str]:
        """The files that list scenes, by split."""
        listed = {"train": self.train, "val": self.val, "test": self.test}
        return {split: file for split, file in listed.items() if file is not None}

    @property
    def shares(self) -> dict[str, float]:
        """The share of each split that there is to be; their sum is 1."""
        shares = {"train": 1.0 - self.val_share - self.test_share, "val": self.val_share}
        return {split: share for split, share in (shares | {"test": self.test_share}).items() if share > 0}


class ValidationOptions(Options):
    """How the training scenes and people of a data set are divided into `train` and `val`.

    Attributes:
        share: the share of the scenes, and of the people, that `val` gets.
        seed: seed of all draws.
        by: what goes to one split as a whole; see `SplitOptions`.
        queries_per_person: how many scenes of each person in `val` are queries, at most.
    """

    share: float = Field(default=0.2, gt=0.0, lt=1.0)
    seed: int = Field(default=0, ge=0)
    by: Literal["auto", "sequences", "time"] = "auto"
    queries_per_person: int = Field(default=2, ge=1)

    @property
    def as_split(self) -> SplitOptions:
        """The same as options of a division that has no `test`."""
        return SplitOptions(
            seed=self.seed,
            by=self.by,
            val_share=self.share,
            test_share=0.0,
            queries_per_person=self.queries_per_person,
        )
