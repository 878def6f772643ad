"""A process that is killed at a chosen step of its work on the disk."""

from pathlib import Path


class Killed(BaseException):
    """The process is gone."""


class Dying:
    """Kills the process before or after one of its renamings and deletions, as a context manager.

    From then on nothing reaches the disk: what was written beside a file stays there.

    Args:
        monkeypatch: pytest's.
        step: which step; 0 and 1 are before and after the first, and so on.
    """

    def __init__(self, monkeypatch, step):
        self.left = step
        self.dead = False
        self._monkeypatch = monkeypatch

    def __enter__(self):
        replace, unlink = Path.replace, Path.unlink

        def dying_replace(path, target):
            self._step()
            replace(path, target)
            self._step()

        def dying_unlink(path, missing_ok=False):
            if self.dead:
                return
            if missing_ok and not path.exists():
                return
            self._step()
            unlink(path, missing_ok)
            self._step()

        self._context = self._monkeypatch.context()
        patch = self._context.__enter__()
        patch.setattr(Path, "replace", dying_replace)
        patch.setattr(Path, "unlink", dying_unlink)
        return self

    def __exit__(self, kind, error, trace):
        self._context.__exit__(None, None, None)
        return kind is Killed

    def _step(self):
        if self.dead or not self.left:
            self.dead = True
            raise Killed
        self.left -= 1
