"""The pictures that a COCO file lists, each with its annotations of people."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.datasets.checks import Findings, name_problem, some
from pipeline.datasets.coco_file import CocoFile, Entry, attribute, key_of, person_of
from pipeline.datasets.coco_options import CocoOptions
from pipeline.datasets.coco_values import annotation_problem, image_problem, text_for_nobody


@dataclass(frozen=True)
class CocoPicture:
    """An image of a file, with the annotations that name it.

    Attributes:
        file: the file.
        entry: the image's entry there.
        name: its file name.
        annotations: of people, in the order of the file.
    """

    file: CocoFile
    entry: Entry
    name: str
    annotations: list[Entry] = field(default_factory=list)

    @property
    def where(self) -> str:
        """The place of the image, for messages."""
        return f"{self.file.where}: image {self.entry['id']!r}"

    def place(self, annotation: Entry) -> str:
        """Return the place of an annotation, for messages."""
        return f"{_place(self.file, annotation)} ({self.name})"


def pictures_of(file: CocoFile, options: CocoOptions, findings: Findings) -> list[CocoPicture]:
    """Return a file's pictures with their annotations of people; what is wrong goes to the problems."""
    pictures: dict[str, CocoPicture | None] = {}  # None: an image that cannot be used, which was told
    for position, entry in enumerate(file.images, start=1):
        key, name, problem = key_of(entry.get("id")), entry.get("file_name"), None
        if not key:
            problem = "it has no id"
        elif not isinstance(name, str):
            problem = f"its file_name is {name!r}"
        elif wrong := name_problem(name):
            problem = f"its file_name {name!r} {wrong}"
        elif key in pictures:
            problem = "another image has the same id"
        else:
            problem = image_problem(entry, options)
        if problem:
            findings.problems.append(f"{file.where}: image {entry.get('id')!r}, number {position}: {problem}")
        if key:
            pictures.setdefault(key, None if problem else CocoPicture(file, entry, str(name)))
    if not file.images:
        findings.problems.append(f"{file.where} lists no images")
    held = list(_annotations_of_people(file, options, findings))
    _check_annotations(file, held, options, findings)
    for annotation in held:
        key = key_of(annotation.get("image_id"))
        if key not in pictures:
            image = repr(annotation.get("image_id"))
            findings.problems.append(f"{_place(file, annotation)}: there is no image {image}")
        elif (picture := pictures[key]) is not None:
            picture.annotations.append(annotation)
    return [picture for picture in pictures.values() if picture is not None]


def _check_annotations(
    file: CocoFile, annotations: Sequence[Entry], options: CocoOptions, findings: Findings
) -> None:
    """Add a problem for each annotation with a wrong value, or with the id of one that says another thing."""
    first: dict[str, Entry] = {}
    nobody = Counter[str]()
    for annotation in annotations:
        problem = annotation_problem(annotation, options)
        if key := key_of(annotation.get("id")):
            other = first.setdefault(key, annotation)
            if other is not annotation and _said(other, options) != _said(annotation, options):
                problem = problem or f"another annotation has the same id, of image {other.get('image_id')!r}"
        if problem:
            findings.problems.append(f"{_place(file, annotation)}: {problem}")
        elif text := text_for_nobody(annotation, options):
            nobody[text] += 1
    for text, count in sorted(nobody.items()):
        findings.note_count(
            count, f"annotations of {file.where} have the text '{text}' as {options.identity}: unlabelled"
        )


def _said(annotation: Entry, options: CocoOptions) -> tuple[str | None, str, str | None]:
    """Return what makes two annotations the same: the image, the box, and who it is."""
    person = attribute(annotation, options.identity) if options.identity else None
    return key_of(annotation.get("image_id")), repr(annotation.get("bbox")), person_of(person)


def _place(file: CocoFile, annotation: Entry) -> str:
    return f"{file.where}: annotation {annotation.get('id')!r}"


def _annotations_of_people(file: CocoFile, options: CocoOptions, findings: Findings) -> Iterator[Entry]:
    """Yield the annotations of people; those of other categories are counted."""
    wanted = {name.casefold() for name in options.category}
    names = {key_of(entry.get("id")): str(entry.get("name")) for entry in file.categories}
    if not any(name.casefold() in wanted for name in names.values()):
        findings.problems.append(
            f"{file.where} has no category '{' or '.join(options.category)}'; set `coco.category` "
            f"to that of people: {some(list(names.values())) or 'it has none'}"
        )
        return
    others: dict[str, int] = defaultdict(int)
    for annotation in file.annotations:
        category = key_of(annotation.get("category_id"))
        if category not in names:
            findings.problems.append(
                f"{_place(file, annotation)}: there is no category {annotation.get('category_id')!r}"
            )
        elif names[category].casefold() in wanted:
            yield annotation
        else:
            others[names[category]] += 1
    for name, count in others.items():
        findings.note_count(count, f"annotations of {file.where} are of category '{name}' and left out")


def refuse_doubles(pictures: Sequence[CocoPicture], findings: Findings) -> None:
    """Add a problem for each picture that is listed twice, in one file or in two."""
    first: dict[str, CocoPicture] = {}
    for picture in pictures:
        other = first.setdefault(picture.name, picture)
        if other is not picture:
            findings.problems.append(f"{picture.where}: {picture.name} is {other.where}, too")


def without_doubles(picture: CocoPicture, findings: Findings) -> list[Entry]:
    """Return a picture's annotations; of those with one id, which say the same, the first."""
    kept: dict[str, Entry] = {}
    for position, annotation in enumerate(picture.annotations):
        which = key_of(annotation.get("id")) or f"#{position}"
        if which in kept:
            findings.notes.append(f"{picture.place(annotation)} is there twice; one is taken")
        else:
            kept[which] = annotation
    return list(kept.values())
