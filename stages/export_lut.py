"""Stage `export_lut`: write what a teacher knows of the training people as a table."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import click
import torch

from pipeline.basics.errors import UserError, naming
from pipeline.basics.launchers import rank
from pipeline.basics.writable import check_can_write
from pipeline.batches.views import ViewedPictures, draw_views
from pipeline.box_table import TableOrigin, writing_box_table
from pipeline.devices import make_fabric
from pipeline.inference.crops import Embeddings, crop_embeddings, people_of
from pipeline.inference.people import PeopleInScene, all_people, labelled_people, person_ids_of
from pipeline.inference.sharing import Gathering
from pipeline.inference.teachers.leak import own_trained_on, shares_people
from pipeline.inference.teachers.loading import teacher_sha256
from pipeline.inference.teachers.projection import SecondMoment, projected, unit_rows
from pipeline.inference.teachers.rows_on_disk import RowsOnDisk
from pipeline.inference.teachers.teacher import Teacher
from pipeline.lookup_table import IdentitySums, LookupTable, Matrix, write_lookup_table
from pipeline.models.reid import ReidModel
from pipeline.scenes.box_rows import box_offsets
from pipeline.scenes.prepared import PreparedDataSet, open_prepared
from pipeline.scenes.scene import UNLABELLED, IntArray, Split
from pipeline.scenes.shards import EncodedPictures
from pipeline.scenes.views import Views
from stages.support.parameters import Parameters
from stages.support.paths import CROPS, PREPARED, table_file
from stages.support.running import ShownProgress, joint_stage, say
from stages.table_entry import ExportOptions, TableOptions, named_teacher, say_leak

PARAMS = ("export_lut", "tables.{table}")
Take = Callable[[Embeddings, IntArray], None]
"""Takes the embeddings `[n, D]` of a batch, and the person ids `[n]`."""


class Collected:
    """What is kept of a teacher's embeddings.

    Args:
        entry: the table's entry.
        boxes: takes the rows of boxes, where there are such rows.
        where: the entry, for messages.
    """

    def __init__(self, entry: TableOptions, boxes: RowsOnDisk | None, where: str) -> None:
        self._where = where
        self.identities = IdentitySums(entry.average) if entry.average and entry.level != "box" else None
        self.moment = SecondMoment(entry.embedding_dim) if entry.embedding_dim else None
        self.boxes = boxes

    def add_to_identities(self, embeddings: Embeddings, person_ids: IntArray) -> None:
        """Take the embeddings of a batch for the rows of its labelled people."""
        if self.identities is not None:
            labelled = person_ids != UNLABELLED
            self.identities.add(embeddings[labelled], person_ids[labelled])

    def add_unit_rows(self, embeddings: Embeddings, _: IntArray) -> None:
        """Take the embeddings of a batch for the rows of boxes, and for the projection."""
        if self.boxes is None and self.moment is None:
            return
        with naming(self._where):
            rows = unit_rows(embeddings)
            if self.moment is not None:
                self.moment.add(rows)
        if self.boxes is not None:
            self.boxes.append(rows)


@joint_stage
@click.option("--table", required=True, help="Which entry of `tables` in params.yaml to make.")
def main(table: str) -> None:
    """Write a look-up table of ID features. Several devices share the crops or scenes."""
    path, parameters = table_file(table), Parameters(PARAMS, table=table)
    options = parameters.options("export_lut", ExportOptions)
    entry = parameters.options(f"tables.{table}", TableOptions)
    data, device = open_prepared(PREPARED), make_fabric().device
    where = f"{parameters.path}: tables.{table}"
    split = data.split("train")
    labelled = _labelled(split, where) if entry.level != "box" else []
    views = draw_views(entry.views, len(split.scenes)) if entry.views else None
    if rank() == 0:
        check_can_write(path)
    with ExitStack() as stack:
        by_box = entry.level != "identity"
        boxes = stack.enter_context(RowsOnDisk(path.parent)) if by_box and rank() == 0 else None
        collected = Collected(entry, boxes, where)
        progress = stack.enter_context(ShownProgress(f"export_lut@{table}"))
        if from_crops := entry.kind == "crops" and entry.level != "box":
            with naming(f"{where}: no teacher of kind 'crops'"):
                model = ReidModel.load(Path(entry.teacher))
                if not by_box and any(map(shares_people, data.names)):
                    say_leak(data.names, own_trained_on(Path(entry.teacher)), where)
            takes = [collected.add_to_identities] + ([] if by_box else [collected.add_unit_rows])
            _take_crops(model, options, device, progress, takes)
        if by_box or not from_crops:
            teacher = named_teacher(entry, options, data, device, where)
            people = all_people(split) if by_box else labelled
            takes = [collected.add_unit_rows] + ([] if from_crops else [collected.add_to_identities])
            images = data.images(split.name)
            _take_people(teacher, split, images, people, device, progress, takes)
            for view in () if views is None else views[1:]:
                viewed = ViewedPictures(images, view)
                _take_people(teacher, split, viewed, people, device, progress, [collected.add_unit_rows])
        if rank() == 0:  # the first device writes
            _write(path, entry, data, split, collected, where, views)


def _labelled(split: Split, where: str) -> list[PeopleInScene]:
    """Return the labelled people. Raises `UserError` where there are none."""
    try:
        return labelled_people(split)
    except UserError as error:
        raise UserError(f"{where}: {error}; `level: box` needs no labels") from None


def _take_crops(
    model: ReidModel,
    options: ExportOptions,
    device: torch.device,
    progress: ShownProgress,
    takes: Sequence[Take],
) -> None:
    """Embed the labelled people from the crops that the re-ID teacher was trained on."""
    crops, gathering = open_prepared(CROPS), Gathering()
    split, images = crops.split("train"), crops.images("train")
    own = crop_embeddings(model, split, images, options.batch_size, device, progress, gathering.share)
    _take(gathering.in_order(own), people_of(split), takes)


def _take_people(
    teacher: Teacher,
    split: Split,
    images: EncodedPictures,
    people: Sequence[PeopleInScene],
    device: torch.device,
    progress: ShownProgress,
    takes: Sequence[Take],
) -> None:
    """Embed people from their scenes."""
    gathering = Gathering()
    progress.begin(progress.what)
    own = teacher.embeddings(split, images, people, device, progress, gathering.share)
    _take(gathering.in_order(own), person_ids_of(people), takes)


def _take(batches: Iterable[Embeddings], person_ids: IntArray, takes: Sequence[Take]) -> None:
    """Hand over all batches in order, each with its person ids, of those of all `[N]`."""
    begin = 0
    for embeddings in batches:
        end = begin + len(embeddings)
        for take in takes:
            take(embeddings, person_ids[begin:end])
        begin = end


def _write(
    path: Path,
    entry: TableOptions,
    data: PreparedDataSet,
    split: Split,
    collected: Collected,
    where: str,
    views: Views | None,
) -> None:
    """Write the file of a table, and say what is in it."""
    origin = TableOrigin(data.name, data.sha256, teacher_sha256(entry.kind, Path(entry.teacher)))
    with naming(where):
        projection = collected.moment.projection() if collected.moment else None
        table = _identity_table(collected.identities, origin, projection)
        made = []
        if collected.boxes is None:
            assert table is not None, "a table without rows by box has one for each identity"
            write_lookup_table(path, table)
        else:
            offsets = box_offsets(split.scenes)
            dim = collected.boxes.dim if projection is None else projection.shape[1]
            with writing_box_table(path, offsets, dim, origin, projection, views) as writer:
                if table is not None:
                    writer.add_identities(table)
                for rows in collected.boxes.blocks():
                    writer.append(projected(rows, projection))
            seen = "" if views is None else f" in {len(views)} views"
            made.append(f"{offsets[-1]} boxes{seen} x {dim}")
    if table is not None:
        count, dim = table.features.shape
        made.insert(0, f"{count} identities x {dim}, from {table.counts.sum()} boxes")
    say(f"{path}: {'; '.join(made)}")


def _identity_table(
    identities: IdentitySums | None, origin: TableOrigin, projection: Matrix | None
) -> LookupTable | None:
    """Return the rows of the identities; None where none were asked for."""
    if identities is None:
        return None
    features, ids, counts = identities.means()
    features = projected(features, projection)
    return LookupTable(
        features, ids, counts, origin.dataset, origin.dataset_sha256, origin.teacher_sha256, projection
    )


if __name__ == "__main__":
    main()
