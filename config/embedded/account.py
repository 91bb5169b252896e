"""PostgreSQL refuses to run as root: there it runs in a user namespace, or as another account."""

import functools
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from config.embedded.errors import EmbeddedError
from config.embedded.place import Place, private_directory

NOBODY = "65534"
NAMESPACE = ("unshare", "-U", f"--map-user={NOBODY}", f"--map-group={NOBODY}")
ACCOUNTS = ("bellwether", "nobody")  # make the first one for an account that nothing else uses
STATE = Path("/var/lib")


@dataclass(frozen=True)
class Account:
    """Who runs PostgreSQL: what to put before its commands, whose files they are, and where the data lies."""

    home: Path
    before: tuple[str, ...] = ()
    uid: int | None = None

    @classmethod
    def of(cls, place: Place) -> "Account":
        if os.geteuid() != 0:
            return cls(place.home)
        if _has_namespaces():
            return cls(place.home, before=NAMESPACE)  # to the outside its files stay root's
        return cls(STATE / f"bellwether-{place.key}", uid=_other_account())

    def make_home(self) -> None:
        """The account may have no way into the checkout (a parent with mode 0700), so its home is outside."""
        private_directory(self.home, self.uid)

    def own(self, path: Path) -> None:
        if self.uid is not None:
            os.chown(path, self.uid, -1)

    def reachable(self, install: Path) -> Path:
        """The programs, copied to where the account can reach them."""
        if self.uid is None:
            return install
        stamp = (install / "bin" / "postgres").stat()
        copy = self.home / f"programs-{stamp.st_size}-{int(stamp.st_mtime)}"
        if not copy.exists():
            draft = copy.with_suffix(".making")
            shutil.rmtree(draft, ignore_errors=True)
            for part in _parts(install):
                _copy(part, draft / part.relative_to(install.parent.parent))
            draft.rename(copy)
        return copy / install.relative_to(install.parent.parent)


def _parts(install: Path) -> list[Path]:
    """What a server needs, with the libraries that the wheel keeps in a directory beside its package."""
    needed = [install / part for part in ("bin/postgres", "bin/initdb", "lib", "share")]
    return [part for part in (*needed, install.parent.with_suffix(".libs")) if part.exists()]


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("*.a"))
    else:
        shutil.copy2(source, target)


@functools.cache
def _has_namespaces() -> bool:
    """Containers often forbid them."""
    if shutil.which(NAMESPACE[0]) is None:
        return False
    tried = subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True)  # noqa: S603 -- fixed words
    return tried.returncode == 0


def _other_account() -> int:
    known = {account.pw_name: account.pw_uid for account in pwd.getpwall()}
    for name in ACCOUNTS:
        if name in known:
            return known[name]
    raise EmbeddedError(
        "PostgreSQL does not run as root, and here is neither a user namespace (unshare) nor another "
        f"account. Make one (useradd --system {ACCOUNTS[0]}), run as an ordinary user, or set DATABASE_URL."
    )
