"""How much the code has changed since the ablation was run: said to a person, never part of an output."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.reporting.comparison.origin import CODE, FILE_COMMIT, STUDENTS, UNKNOWN, code_commits_since
from pipeline.reporting.comparison.run_file import COMMIT

_CODE = " or ".join(f"{folder}/" for folder in CODE)


def ablation_age(comparison: Path) -> str | None:
    """Return a sentence: how many commits have changed the code since a comparison's runs.

    Args:
        comparison: the `comparison.json` of the stage `compare`.

    Returns:
        The sentence, with the fewest and the most of all runs; None where there is no such file, or Git
        cannot tell.
    """
    try:
        origins = json.loads(comparison.read_text())["origins"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    ages = [age for origin in origins for age in _ages(origin, comparison.parent)]
    if not ages:
        return None
    least, most = min(ages), max(ages)
    between = f"{least}" if least == most else f"{least} to {most}"
    commits = "commit" if most == 1 else "commits"
    silent = sum(len(origin[STUDENTS]) for origin in origins if not origin[COMMIT])
    counted_from = (
        f"; {silent} students do not name theirs, so that of their results is taken" if silent else ""
    )
    return (
        f"The ablation's committed results were made by code that is {between} {commits} older than the code "
        f"here (counting commits that changed {_CODE}{counted_from})."
    )


def _ages(origin: Mapping[str, Any], folder: Path) -> list[int]:
    said = origin[COMMIT] or origin[FILE_COMMIT] or UNKNOWN
    counted = [code_commits_since(commit, folder) for commit in said.split(", ") if commit != UNKNOWN]
    return [count for count in counted if count is not None]
