"""Who may write to a store: one process, or the processes of one distributed run."""

import errno
import fcntl
import os
import time
import warnings
from pathlib import Path

from pipeline.basics.errors import UserError
from pipeline.inference.own_pictures.printable import printable

WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF)
"""Error numbers of a disk without locks: NFS without lock service, Lustre without `-o flock`, some FUSE."""
PATIENCE_SECONDS = 60.0
"""How long a process of a distributed run waits for one that tidies up after an earlier run."""
POLL_SECONDS = 0.05


class FolderLock:
    """The lock of a folder, which the system frees when the process ends, however it ends.

    It is on the folder itself: programs that read every file in it find no lock file. On a disk without
    locks a warning says so.

    Args:
        folder: the folder.
        shared: several processes hold it at once, and none that wants it for itself.

    Raises:
        UserError: another process holds it.
        OSError: the folder cannot be opened.
    """

    def __init__(self, folder: Path, shared: bool = False) -> None:
        self._folder = folder
        self._opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            until = time.monotonic() + (PATIENCE_SECONDS if shared else 0)
            while not self._take(fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
                if time.monotonic() >= until:
                    raise UserError(
                        f"another process is writing to {printable(folder)}: wait for it, or stop it"
                    )
                time.sleep(POLL_SECONDS)
        except BaseException:
            self.release()
            raise

    def alone(self) -> bool:
        """Turn a shared lock into one of this process's own; False, and no lock, where others have it."""
        return self._take(fcntl.LOCK_EX)

    def release(self) -> None:
        """Let others have it."""
        os.close(self._opened)

    def _take(self, kind: int) -> bool:
        try:
            fcntl.flock(self._opened, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                raise OSError(error.errno, error.strerror, str(self._folder)) from None
            warnings.warn(
                f"the disk of {printable(self._folder)} has no locks: let no two processes write to it "
                "at once, it would not be noticed",
                stacklevel=4,
            )
        return True
