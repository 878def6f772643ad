import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from commands.main import COMMANDS, main


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


def test_unknown_commands():
    result = CliRunner().invoke(main, ["nothing"])
    assert result.exit_code == 2
    assert "No such command 'nothing'" in result.stderr


def test_help_does_not_load_pytorch():
    code = (
        "import sys; from click.testing import CliRunner; from commands.main import main;"
        "assert CliRunner().invoke(main, ['--help']).exit_code == 0; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
