"""Where the embedded services keep their data, their sockets and their secrets."""

import contextlib
import hashlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from config.embedded.errors import EmbeddedError

# Not the temp dir of the environment: every process of a checkout must find the same sockets, and a path of a
# socket has at most 107 bytes.
SOCKETS = Path("/tmp")  # noqa: S108 -- private directories in it, checked for owner, mode and symlinks


@dataclass(frozen=True)
class Place:
    """The directories of one checkout."""

    root: Path

    @classmethod
    def of(cls, root: Path) -> "Place":
        return cls(Path(root).resolve())

    @property
    def home(self) -> Path:
        return self.root / ".bellwether"

    @property
    def key(self) -> str:
        """Tells checkouts apart, and cannot be guessed by others who might take the names in /tmp first."""
        return hashlib.sha256(f"{self.root}\0{self.secret('place')}".encode()).hexdigest()[:12]

    def sockets(self, service: str) -> Path:
        return SOCKETS / f"bellwether-{os.geteuid()}-{self.key}-{service}"

    def make(self) -> None:
        private_directory(self.home)

    def secret(self, name: str) -> str:
        """Made once; of several processes that make it at the same time one wins and the others read it."""
        private_directory(self.home)
        path = private_directory(self.home / "secrets") / name
        if not path.exists():
            draft = path.with_name(f".{name}.{os.getpid()}.{secrets.token_hex(4)}")
            write_private(draft, secrets.token_urlsafe(32))
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
            draft.unlink()
        return path.read_text()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, from its first byte on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def private_directory(path: Path, owner: int | None = None) -> Path:
    """Make a directory for its owner alone (this account by default), or check the one that is there."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
        if owner is not None:
            os.chown(path, owner, -1)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise EmbeddedError(f"{path} is not a directory. Move it out of the way.")
    expected = os.geteuid() if owner is None else owner
    if found.st_uid != expected:
        raise EmbeddedError(
            f"{path} belongs to uid {found.st_uid}, but should belong to uid {expected}. "
            "Run as that account, or change the owner (chown -R), or remove it."
        )
    if stat.S_IMODE(found.st_mode) != 0o700:
        path.chmod(0o700)
    return path
