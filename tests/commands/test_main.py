import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from commands.main import COMMANDS, main

ROOT = Path(__file__).parents[2]


def test_help_lists_every_command():
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for name, command in COMMANDS.items():
        assert name in result.stdout
        assert command.help in result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there(name):
    command = main.get_command(click.Context(main), name)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert CliRunner().invoke(main, [name, "--help"]).exit_code == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_about_a_command_of_a_group_is_cut_off(name):
    shown = CliRunner().invoke(main, [name, "--help"], terminal_width=80).stdout
    _, _, commands = shown.partition("Commands:")
    assert "..." not in commands


def test_unknown_commands():
    result = CliRunner().invoke(main, ["nothing"])
    assert result.exit_code == 2
    assert "No such command 'nothing'" in result.stderr


@pytest.mark.parametrize(
    ("option", "arguments"),
    [
        ("--root", ("check-data", "--dataset", "prw")),
        ("--root", ("preset", "prw")),
        ("--root", ("score", "--dataset", "prw", "--detections", "mine.npz")),
        ("--out", ("find", "--weights", "w", "--query", "q.png", "--box", "1,1,9,9", "folder")),
        ("--results", ("tune",)),
    ],
)
def test_an_empty_path_is_not_the_current_folder(option, arguments):
    result = CliRunner().invoke(main, [*arguments, option, ""])
    assert result.exit_code == 2
    assert result.stderr == f"Error: {option} is empty (a shell's variable that is not set?); give a path\n"


WITHOUT_PYTORCH = """
import sys
from click.testing import CliRunner
from commands.main import main
result = CliRunner().invoke(main, sys.argv[1:])
assert 'torch' not in sys.modules
sys.stderr.write(result.stderr)
sys.exit(result.exit_code)
"""


def run_without_pytorch(*arguments):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_PYTORCH, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_does_not_load_pytorch():
    assert run_without_pytorch("--help").returncode == 0


QUERY = "tests/fixtures/protocol-cases/clean/cuhk/Image/SSM/s1.jpg"
FIND = ("find", "--query", QUERY, "--box", "1,1,9,9")


@pytest.mark.parametrize(
    "arguments",
    [
        ("preset", "prw_small", "--root", "nowhere"),
        ("preset", "prw", "--root", "nowhere"),
        (*FIND, "--weights", "nowhere", "docs"),
        (*FIND, "--weights", "README.md", "nowhere"),
        (*FIND, "--weights", "README.md", "--query", "nowhere", "docs"),
        (*FIND, "--weights", "README.md", "--out", "README.md", QUERY),
        ("validate", "nowhere"),
        ("tune", "--tries", "nowhere"),
        ("tune", "--student", "nobody"),
        ("check-data", "--dataset", "prw", "--root", "nowhere"),
        ("score", "--dataset", "prw", "--root", "nowhere", "--detections", "README.md"),
        ("score", "--dataset", "prw", "--root", "docs", "--detections", "nowhere"),
        ("lut", "nowhere"),
        ("results", "--summary", "nowhere"),
    ],
    ids=" ".join,
)
def test_a_wrong_path_is_said_before_pytorch_is_loaded(arguments):
    """Loading it takes seconds."""
    done = run_without_pytorch(*arguments)
    assert done.returncode in (1, 2), done.stderr
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
