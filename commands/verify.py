"""`person-search verify`: check that everything is still as DVC recorded it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import click
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo

from commands.errors import FailedCheckError
from commands.verification import Finding, Output, cache_objects, check_object, check_output
from pipeline.basics.errors import UserError
from pipeline.basics.options import NO_YAML
from stages.support.running import ShownProgress

UNRECORDED_SHOWN = 5
BRING = "`dvc pull` or `dvc repro` brings what is missing"
IN_A_CHECKOUT = "run this in a checkout of the project"

Thing = TypeVar("Thing")


@click.command()
@click.option("--cache/--no-cache", default=True, show_default=True, help="Also look through DVC's cache.")
def verify(cache: bool) -> None:
    """Re-hash and open all outputs and, without --no-cache, DVC's cache; exit code 1 if not all is sound.

    Where the prepared data only refer to pictures (`dataset.pictures: reference`), these are re-hashed too.

    Each damaged file is named with the command that restores it. Outputs that DVC keeps and that are not
    here, as in a new clone, are named in one line; they are not damaged and leave the exit code as it is. An
    output that git keeps and that is gone is damaged. One that dvc.lock has no hash of is an error.
    """
    outputs, unrecorded, folder = _recorded()
    found = list(_all(outputs, lambda output: check_output(output, folder), "outputs"))
    objects = list(_all(cache_objects(folder), lambda path: [check_object(path)], "cache")) if cache else []
    missing = [finding for finding in found if finding.kind == "missing"]
    # Objects of the cache first: an output is restored from them.
    damaged = [finding for finding in (*objects, *found) if finding.kind == "damaged"]
    unread = [finding for finding in (*objects, *found) if finding.kind == "unread"]
    if missing:
        click.echo(_not_here(missing, len(outputs)))
    for finding in (*damaged, *unread):
        click.echo(f"{finding.path}: {finding.what}")
    looked_at = f"{len(found) - len(missing)} files of {len(outputs) - len(missing)} outputs" + (
        f" and {len(objects)} objects of DVC's cache" if cache else ""
    )
    for path in unrecorded[:UNRECORDED_SHOWN]:
        click.echo(f"{path}: not in dvc.lock")
    if unrecorded:
        raise FailedCheckError(
            f"dvc.lock has nothing of {len(unrecorded)} outputs, so it cannot tell whether they are sound: "
            "`git checkout dvc.lock` if it was torn, `dvc repro` if they were never made"
        )
    if damaged:
        more = f", {len(unread)} cannot be read" if unread else ""
        raise FailedCheckError(f"{len(damaged)} of {looked_at} are damaged{more}")
    if unread:
        raise FailedCheckError(
            f"{len(unread)} of {looked_at} cannot be read, so nobody knows whether they are sound"
        )
    not_here = f"; outputs not here: {len(missing)}" if missing else ""
    click.echo(f"{looked_at}: all as dvc.lock says{not_here}")


def _not_here(missing: Sequence[Finding], outputs: int) -> str:
    """Return the line about outputs that DVC keeps and that are not here."""
    names = ", ".join(str(finding.path) for finding in missing)
    return f"not here, so not checked: {len(missing)} of {outputs} outputs ({names}); {BRING}"


def _all(
    things: Sequence[Thing], check: Callable[[Thing], Iterable[Finding]], what: str
) -> Iterator[Finding]:
    """Yield what a check finds in each thing, with progress on a terminal."""
    with ShownProgress(what, only_on_terminal=True) as progress:
        for done, thing in enumerate(things, start=1):
            yield from check(thing)
            progress(done, len(things))


def _recorded() -> tuple[list[Output], list[Path], Path]:
    """Return the outputs that dvc.lock names, the paths of those that it does not, and DVC's cache."""
    try:
        with Repo() as repo:
            outputs = [
                Output(_shown(Path(out.fs_path)), out.hash_info.value, out.use_cache)
                for out in repo.index.outs
                if out.hash_info
            ]
            unrecorded = [_shown(Path(out.fs_path)) for out in repo.index.outs if not out.hash_info]
            if not outputs and not unrecorded:
                raise UserError(f"{repo.root_dir} has no stages; {IN_A_CHECKOUT}")
            return outputs, unrecorded, _shown(Path(repo.cache.local.path))
    except NotDvcRepoError:
        raise UserError(f"no project here, nor in a folder above; {IN_A_CHECKOUT}") from None
    except (DvcException, *NO_YAML) as error:
        raise UserError(f"DVC cannot tell what it recorded: {error}") from None


def _shown(path: Path) -> Path:
    """Return a path as one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
