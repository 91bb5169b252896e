"""Bytes of files, gzipped or not, and one word for all that can go wrong with them."""

from __future__ import annotations

import gzip
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from apps.attribution.files.forms import Refused

GZIP_MAGIC = b"\x1f\x8b"
UTF8_MARK = b"\xef\xbb\xbf"
LONGEST_LINE = 1 << 24


@contextmanager
def seekable_path(name: str, *, standard_input: Callable[[], IO[bytes]]) -> Iterator[Path]:
    """The path of a file that can be read twice: a pipe, or "-" for the standard input, is copied first."""
    path = Path(name)
    if name != "-" and not path.is_fifo():
        yield path
        return
    with tempfile.NamedTemporaryFile() as copy:
        with standard_input() if name == "-" else path.open("rb") as stream:
            shutil.copyfileobj(stream, copy)
        copy.flush()
        yield Path(copy.name)


def is_packed(path: Path) -> bool:
    with path.open("rb") as raw:
        return raw.read(2) == GZIP_MAGIC


@contextmanager
def plain(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of the file, unpacked where it is gzipped."""
    with path.open("rb") as raw:
        yield cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if is_packed(path) else raw


@contextmanager
def readable() -> Iterator[None]:
    """Say that a file cannot be read, whatever the library calls it."""
    try:
        yield
    except FileNotFoundError as error:
        raise Refused("there is no such file") from error
    except Refused:
        raise
    except (OSError, EOFError, zlib.error, ValueError, pa.ArrowException) as error:
        raise Refused(f"it cannot be read: {str(error).splitlines()[0][:300]}") from error
