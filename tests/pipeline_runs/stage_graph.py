"""dvc.yaml as a graph: its stages row by row, what they make, and what stands behind them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.pipeline_runs.tiny_parameters import ROOT

ITEM_ROW = "${item.row}"
STAGES: Mapping[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]


@dataclass(frozen=True)
class Node:
    """One stage, or one row of a matrix: its command, and the paths that it reads and makes."""

    command: str
    reads: frozenset[str]
    makes: frozenset[str]


def nodes() -> Mapping[str, Node]:
    """Return all stages by the names that DVC gives them, in the order of dvc.yaml."""
    found = {}
    for name, stage in STAGES.items():
        for row in rows(name) or [""]:
            makes = [path for key in ("outs", "metrics", "plots") for path in stage.get(key, [])]
            found[f"{name}@{row}" if row else name] = Node(
                stage["cmd"].replace(ITEM_ROW, row),
                frozenset(path.replace(ITEM_ROW, row) for path in stage.get("deps", [])),
                frozenset(_path(entry).replace(ITEM_ROW, row) for entry in makes),
            )
    return found


def rows(name: str) -> list[str]:
    """Return the rows that a stage is run for; none where it is run once."""
    listed: list[str] = STAGES[name].get("matrix", {}).get("row", [])
    return listed


def training_of(row: str) -> str:
    """Return the name of the node that trains a row's student."""
    (name,) = [name for name, node in nodes().items() if f"models/students/{row}.safetensors" in node.makes]
    return name


def and_behind(stages: Iterable[str]) -> set[str]:
    """Return these stages and all that read what they make, directly or not."""
    graph, reached = nodes(), set(stages)
    while True:
        made = {path for name in reached for path in graph[name].makes}
        more = {name for name, node in graph.items() if node.reads & made} - reached
        if not more:
            return reached
        reached |= more


def _path(entry: str | Mapping[str, Any]) -> str:
    return entry if isinstance(entry, str) else next(iter(entry))
