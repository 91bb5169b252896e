"""bin/make_venv.py base|dev|e2e: make .venv hold what requirements/NAME.txt locks; quick when it does.

Needs nothing but the standard library. A stamp says what was installed; a mark says that an installation
was begun and not finished, and then the whole .venv is made again.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UNFINISHED = VENV / "unfinished"
LARGER = {
    "base": ("base", "dev"),
    "dev": ("dev",),
    "e2e": ("e2e",),
}  # what has been installed counts for these
PIP = ["-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
LOCKED = ["--require-hashes", "--only-binary=:all:", "--requirement"]


def main(name: str) -> int:
    lock = ROOT / "requirements" / f"{name}.txt"
    if not lock.exists():
        return complain(f"There is no {lock}.")
    fcntl.flock(os.open(ROOT, os.O_RDONLY), fcntl.LOCK_EX)  # one at a time; the lock ends with this process
    if not is_whole():
        make()
    return 0 if is_installed(name) else install(name, lock)


def is_whole() -> bool:
    """It runs, has pip, is in its place, was finished, and is of the Python that was asked for."""
    if UNFINISHED.exists() or not PYTHON.exists():
        return False
    probe = "import pip, sys; print(sys.prefix, *sys.version_info[:2])"
    answer = subprocess.run([PYTHON, "-c", probe], check=False, capture_output=True, text=True)  # noqa: S603
    *prefix, major, minor = answer.stdout.rsplit(maxsplit=2) or [""] * 3
    version = (int(major or 0), int(minor or 0))
    if answer.returncode or prefix != [str(VENV)] or not (3, 11) <= version <= (3, 13):
        return False
    return not os.environ.get("PYTHON") or version == sys.version_info[:2]


def make() -> None:
    if VENV.exists():
        say("The .venv is half-made, moved or of another Python; it is made again.")
        shutil.rmtree(VENV)
    say(f"Making .venv with Python {sys.version.split()[0]}")
    VENV.mkdir()
    UNFINISHED.touch()
    venv.create(VENV, with_pip=True)
    UNFINISHED.unlink()


def is_installed(name: str) -> bool:
    return any(
        stamp(larger).exists() and stamp(larger).read_text() == state(larger) for larger in LARGER[name]
    )


def install(name: str, lock: Path) -> int:
    say(f"Installing the {name} requirements (once, about a minute)")
    UNFINISHED.touch()
    done = subprocess.run([PYTHON, *PIP, *LOCKED, lock], check=False, cwd=ROOT)  # noqa: S603
    if done.returncode:
        return complain("The requirements could not be installed: see above. The next try starts afresh.")
    stamp(name).write_text(state(name))
    UNFINISHED.unlink()
    return 0


def stamp(name: str) -> Path:
    return VENV / f"installed-{name}"


def state(name: str) -> str:
    """What tells this installation from any other."""
    lock = ROOT / "requirements" / f"{name}.txt"
    return hashlib.sha256(lock.read_bytes() if lock.exists() else b"").hexdigest()


def say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 -- a command


def complain(text: str) -> int:
    print(text, file=sys.stderr)  # noqa: T201 -- a command
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
