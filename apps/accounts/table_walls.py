"""What each role may do with a table, and with which of its rows: put right only where it differs.

What stands is read for all tables at once, so that a migrate that changes nothing locks nothing. A table that
differs is put right in one transaction: nobody meets it without its policies, no right comes before them, and
where its lock is not had in time it stays as it was.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

EVERYTHING = "true"
_RIGHTS = """
    SELECT c.relname, r.rolname, acl.privilege_type || CASE WHEN acl.is_grantable THEN ' TO GRANT' ELSE '' END
    FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS acl
    JOIN pg_roles AS r ON r.oid = acl.grantee
    WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT c.relname, r.rolname, acl.privilege_type || ' OF ' || a.attname
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
    CROSS JOIN LATERAL aclexplode(a.attacl) AS acl JOIN pg_roles AS r ON r.oid = acl.grantee
    WHERE c.relnamespace = 'public'::regnamespace
"""
_CLOSED = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relrowsecurity AND relforcerowsecurity
"""
_POLICIES = """
    SELECT tablename, policyname, array_to_string(roles, ','), cmd, qual, coalesce(with_check, '')
    FROM pg_policies WHERE schemaname = 'public' AND permissive = 'PERMISSIVE'
"""
_SHUT_SEQUENCES = """
    SELECT EXISTS (
        SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S' AND 2 > (
            SELECT count(*) FROM aclexplode(relacl) AS acl JOIN pg_roles AS r ON r.oid = acl.grantee
            WHERE r.rolname = %s AND acl.privilege_type IN ('USAGE', 'SELECT')
        )
    )
"""


class Policy(NamedTuple):
    """Which rows a role reads (condition) and writes (check, empty for a policy that only reads)."""

    name: str
    role: str
    verb: str
    condition: str
    check: str


class Wall(NamedTuple):
    """Of one table. rights: role → what it may do; policies: none where it belongs to no workspace."""

    rights: Mapping[str, frozenset[str]]
    policies: frozenset[Policy] = frozenset()


class Standing(NamedTuple):
    """What the database has now."""

    rights: Mapping[tuple[str, str], set[str]]
    closed: set[str]
    policies: Mapping[str, set[Policy]]

    def lacks_rights(self, table: str, wall: Wall) -> bool:
        return any(self.rights.get((table, role), set()) != wanted for role, wanted in wall.rights.items())

    def lacks_policies(self, table: str, wall: Wall) -> bool:
        is_open = table not in self.closed
        return bool(wall.policies) and (is_open or not wall.policies <= self.policies.get(table, set()))


def standing(database: BaseDatabaseWrapper) -> Standing:
    rights, policies = defaultdict(set), defaultdict(set)
    with database.cursor() as cursor:
        cursor.execute(_RIGHTS)
        for table, role, right in cursor.fetchall():
            rights[table, role].add(right)
        cursor.execute(_POLICIES)
        for table, *policy in cursor.fetchall():
            policies[table].add(Policy(*policy))
        cursor.execute(_CLOSED)
        return Standing(rights, {table for (table,) in cursor.fetchall()}, policies)


def as_kept(database: BaseDatabaseWrapper, column: str, condition: str) -> str:
    """A condition on a column of whole numbers in the words in which this server shows it."""
    with transaction.atomic(using=database.alias), database.cursor() as cursor:
        name = sql.Identifier(column)
        cursor.execute(
            sql.SQL("CREATE TEMPORARY TABLE pattern_of_policy ({} bigint) ON COMMIT DROP").format(name)
        )
        cursor.execute(
            sql.SQL("CREATE POLICY pattern ON pg_temp.pattern_of_policy USING ({})").format(
                sql.SQL(condition)
            )
        )
        cursor.execute(
            "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy"
            " WHERE polrelid = 'pg_temp.pattern_of_policy'::regclass"
        )
        return str(cursor.fetchone()[0])


def open_sequences(database: BaseDatabaseWrapper, role: str) -> None:
    """Let a role draw numbers from every sequence."""
    with database.cursor() as cursor:
        cursor.execute(_SHUT_SEQUENCES, [role])
        if cursor.fetchone()[0]:
            grant = sql.SQL("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}")
            cursor.execute(grant.format(sql.Identifier(role)))


def put_right(database: BaseDatabaseWrapper, walls: Mapping[str, Wall]) -> None:
    """Table → the wall that it shall have."""
    found = standing(database)
    for table, wall in walls.items():
        statements = [
            *(_policies(table, wall.policies) if found.lacks_policies(table, wall) else ()),
            *(_rights(table, wall.rights) if found.lacks_rights(table, wall) else ()),
        ]
        if statements:
            with transaction.atomic(using=database.alias), database.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)


def _rights(table: str, rights: Mapping[str, Iterable[str]]) -> Iterator[sql.Composed]:
    for role, wanted in rights.items():
        words = {
            "table": sql.Identifier("public", table),
            "role": sql.Identifier(role),
            "rights": sql.SQL(", ").join(map(sql.SQL, sorted(wanted))),
        }
        yield sql.SQL("REVOKE ALL ON {table} FROM {role}").format(**words)
        yield sql.SQL("GRANT {rights} ON {table} TO {role}").format(**words)


def _policies(table: str, policies: Iterable[Policy]) -> Iterator[sql.Composed]:
    name = sql.Identifier("public", table)
    yield sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY").format(name)
    for policy in sorted(policies):
        words = {
            "policy": sql.Identifier(policy.name),
            "table": name,
            "verb": sql.SQL(policy.verb),
            "role": sql.Identifier(policy.role),
            "condition": sql.SQL(policy.condition),
            "check": sql.SQL(f" WITH CHECK ({policy.check})" if policy.check else ""),
        }
        yield sql.SQL("DROP POLICY IF EXISTS {policy} ON {table}").format(**words)
        yield sql.SQL(
            "CREATE POLICY {policy} ON {table} FOR {verb} TO {role} USING ({condition}){check}"
        ).format(**words)
