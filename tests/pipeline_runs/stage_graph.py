"""dvc.yaml as a graph: its stages entry by entry, what they make, and what stands behind them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.pipeline_runs.tiny_parameters import ROOT, tiny_parameters

STAGES: Mapping[str, Any] = {
    name: stage.get("do", stage) | {"foreach": stage.get("foreach", "")}
    for name, stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].items()
}


@dataclass(frozen=True)
class Node:
    """One stage, or one of its students or tables: its command, and the paths that it reads and makes."""

    command: str
    reads: frozenset[str]
    makes: frozenset[str]


def students() -> Mapping[str, Any]:
    """Return the entries of params.yaml's students."""
    entries: Mapping[str, Any] = tiny_parameters()["students"]
    return entries


def tables() -> Mapping[str, Any]:
    """Return the entries of params.yaml's tables."""
    entries: Mapping[str, Any] = tiny_parameters()["tables"]
    return entries


EACH = {"": lambda: {"": {}}, "${students}": students, "${tables}": tables}
"""What a stage iterates over, and its entries."""


def nodes() -> Mapping[str, Node]:
    """Return all stages by the names that DVC gives them, in the order of dvc.yaml."""
    found = {}
    for name, stage in STAGES.items():
        for key, entry in EACH[stage["foreach"]]().items():

            def filled(text: str, key: str = key, entry: Mapping[str, Any] = entry) -> str:
                for teacher in ("table", "detector", "teacher"):
                    text = text.replace(f"${{item.{teacher}}}", str(entry.get(teacher)))
                return text.replace("${key}", key)

            makes = [path for kind in ("outs", "metrics", "plots") for path in stage.get(kind, [])]
            found[f"{name}@{key}" if key else name] = Node(
                filled(stage["cmd"]),
                frozenset(filled(path) for path in stage.get("deps", [])),
                frozenset(filled(_path(entry)) for entry in makes),
            )
    return found


def and_behind(stages: Iterable[str]) -> set[str]:
    """Return these stages and all that read what they make, directly or not."""
    graph, reached = nodes(), set(stages)
    while True:
        made = {path for name in reached for path in graph[name].makes}
        more = {name for name, node in graph.items() if _reads(node, made)} - reached
        if not more:
            return reached
        reached |= more


def _reads(node: Node, made: Iterable[str]) -> bool:
    """Return whether a stage reads one of these files, itself or as part of a folder."""
    return any(path == read or path.startswith(f"{read}/") for path in made for read in node.reads)


def _path(entry: str | Mapping[str, Any]) -> str:
    return entry if isinstance(entry, str) else next(iter(entry))
