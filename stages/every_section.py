"""The name of `commands/parameter_checks.py` until 2026-11, for scripts that still import it."""

from commands.parameter_checks import check_parameters

__all__ = ["check_parameters"]
