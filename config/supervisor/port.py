"""Whether the port can be had, and who has it."""

import socket
from pathlib import Path

LISTENING = "0A"


def why_taken(host: str, port: int) -> str | None:
    """What stands against listening there, in words; None if nothing does."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return None
    except OSError as error:
        return f"Cannot listen on {host}:{port}: {error.strerror}.{_by_whom(port)}"


def _by_whom(port: int) -> str:
    sockets = _listening_sockets(port)
    for link in Path("/proc").glob("[0-9]*/fd/*") if sockets else ():
        try:
            if str(link.readlink()) in sockets:
                words = (link.parents[1] / "cmdline").read_bytes().split(b"\0")
                return (
                    f" Process {link.parts[2]} has it: {b' '.join(words).decode(errors='replace').strip()}."
                )
        except OSError:  # ended meanwhile, or another account's
            continue
    return ""


def _listening_sockets(port: int) -> set[str]:
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else ():
            fields = line.split()
            if fields[3] == LISTENING and int(fields[1].rsplit(":", 1)[1], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found
