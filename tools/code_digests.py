"""Write one digest for the code of each program: the ablation's stages depend on these files.

The ablation is a DVC repository of its own below the project's root. It may depend on code above it, but its
.dvcignore has no say there: in a folder of code, Python's compiled files would count.

    python -m tools.code_digests --out FOLDER      FOLDER/NAME for each program `stages.NAME`
"""

import hashlib
from pathlib import Path

import click

from pipeline.basics.atomic import write_atomically
from tools.stage_dependencies import STAGES, code_files

PROGRAM_END = '\nif __name__ == "__main__":\n'


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The folder of the digests.")
def main(out: Path) -> None:
    """Write the digests of the project in the current folder."""
    root = Path()
    for name in programs(root):
        write_atomically(out / name, code_digest(name, root) + "\n")


def programs(root: Path) -> list[str]:
    """Return the names of the programs below `stages`, `crop` or `ablation.ablate` for instance, sorted."""
    paths = [path for path in (root / STAGES).rglob("*.py") if PROGRAM_END in path.read_text()]
    return sorted(".".join(path.relative_to(root / STAGES).with_suffix("").parts) for path in paths)


def code_digest(program: str, root: Path) -> str:
    """Return the SHA-256 of the files that a program is made of: their names and contents."""
    digest = hashlib.sha256()
    for path in code_files(program, root):
        content = (root / path).read_bytes()
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


if __name__ == "__main__":
    main()
