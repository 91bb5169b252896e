"""Foreign keys that are checked once per statement instead of once per row, for tables that grow by the bulk.

PostgreSQL's own checks cost as much as the row itself. These do the same with triggers, set by tenancy.py for
each WorkspaceForeignKey that says `is_checked_by_statement`: a statement that adds or changes children looks
for all their parents in one query, and locks them until its transaction ends; a parent that goes is checked
when its transaction ends, as before. docs/decisions/0010-foreign-keys-by-statement.md tells why that holds.
"""

from typing import Any, NamedTuple

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql


class Key(NamedTuple):
    """FOREIGN KEY (workspace_id, column) of child → (workspace_id, id) of parent."""

    child: str
    column: str
    parent: str
    is_seldom_changed: bool = False

    @property
    def name(self) -> str:
        return f"{self.child}_{self.column}_in_workspace"[:63]

    def named(self, trigger: str) -> str:
        return f"{self.child[:26]}_{self.column[:20]}_{trigger}"

    @property
    def words(self) -> dict[str, sql.Composable]:
        """What the statements below leave open."""
        return {
            "child": sql.Identifier("public", self.child),
            "parent": sql.Identifier("public", self.parent),
            "column": sql.Identifier(self.column),
            "key": sql.Identifier(self.name),
            "key_text": sql.Literal(self.name),
            "child_text": sql.Literal(self.child),
            **{trigger: sql.Identifier(self.named(trigger)) for trigger in _TRIGGERS},
        }


# A subquery that locks is never flattened: for each distinct parent one look into its index, whatever the
# statistics say. The order is that in which everybody locks people.
_FIND_PARENTS = """
CREATE OR REPLACE FUNCTION public.{key}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE orphan record;
BEGIN
    SELECT wanted.workspace_id, wanted.id INTO orphan FROM (
        SELECT DISTINCT workspace_id, {column} AS id FROM written WHERE {column} IS NOT NULL ORDER BY 1, 2
    ) AS wanted LEFT JOIN LATERAL (
        SELECT true AS is_there FROM {parent} AS parent
        WHERE parent.workspace_id = wanted.workspace_id AND parent.id = wanted.id FOR KEY SHARE
    ) AS found ON true WHERE found.is_there IS NULL;
    IF FOUND THEN
        RAISE foreign_key_violation USING CONSTRAINT = {key_text}, TABLE = {child_text}, SCHEMA = 'public',
            MESSAGE = format('row of table "%s" violates foreign key "%s"', {child_text}, {key_text}),
            DETAIL = format('There is no row %s in workspace %s.', orphan.id, orphan.workspace_id);
    END IF;
    RETURN NULL;
END $$
"""
# Runs when the transaction ends, on a snapshot of that moment: in READ COMMITTED a child that somebody else
# committed meanwhile is seen. Other levels would look at the past, and are refused.
_LOOK_FOR_CHILDREN = """
CREATE OR REPLACE FUNCTION public.{parent_gone}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE is_orphaned boolean;
BEGIN
    IF TG_OP = 'UPDATE' AND (OLD.workspace_id, OLD.id) = (NEW.workspace_id, NEW.id) THEN
        RETURN NULL;
    ELSIF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE feature_not_supported USING MESSAGE = 'rows that others point at go in READ COMMITTED only';
    ELSIF TG_OP = 'TRUNCATE' THEN
        is_orphaned := EXISTS (SELECT FROM {child} WHERE {column} IS NOT NULL);
    ELSE
        is_orphaned := EXISTS (
            SELECT FROM {child} AS child
            WHERE child.workspace_id = OLD.workspace_id AND child.{column} = OLD.id
        ) AND NOT EXISTS (
            SELECT FROM {parent} AS parent
            WHERE parent.workspace_id = OLD.workspace_id AND parent.id = OLD.id FOR KEY SHARE
        );
    END IF;
    IF is_orphaned THEN
        RAISE foreign_key_violation USING CONSTRAINT = {key_text}, TABLE = {child_text}, SCHEMA = 'public',
            MESSAGE = format('%s leaves rows that foreign key "%s" needs', lower(TG_OP), {key_text});
    END IF;
    RETURN NULL;
END $$
"""
# For keys that hardly ever change in rows that often do: only an UPDATE that names the column pays.
_FIND_PARENT = """
CREATE OR REPLACE FUNCTION public.{changed}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM {parent} AS parent
    WHERE parent.workspace_id = NEW.workspace_id AND parent.id = NEW.{column} FOR KEY SHARE;
    IF NOT FOUND AND NEW.{column} IS NOT NULL THEN
        RAISE foreign_key_violation USING CONSTRAINT = {key_text}, TABLE = {child_text}, SCHEMA = 'public',
            MESSAGE = format('row of table "%s" violates foreign key "%s"', {child_text}, {key_text}),
            DETAIL = format('There is no row %s in workspace %s.', NEW.{column}, NEW.workspace_id);
    END IF;
    RETURN NULL;
END $$
"""
_CHANGED_BY_ROW = (
    "CREATE TRIGGER {changed} AFTER UPDATE OF workspace_id, {column} ON {child} FOR EACH ROW"
    " WHEN ((OLD.workspace_id, OLD.{column}) IS DISTINCT FROM (NEW.workspace_id, NEW.{column}))"
    " EXECUTE FUNCTION public.{changed}()"
)
# Trigger → when it fires.
_TRIGGERS = {
    "added": "CREATE TRIGGER {added} AFTER INSERT ON {child} REFERENCING NEW TABLE AS written"
    " FOR EACH STATEMENT EXECUTE FUNCTION public.{key}()",
    "changed": "CREATE TRIGGER {changed} AFTER UPDATE ON {child} REFERENCING NEW TABLE AS written"
    " FOR EACH STATEMENT EXECUTE FUNCTION public.{key}()",
    "parent_gone": "CREATE CONSTRAINT TRIGGER {parent_gone} AFTER DELETE OR UPDATE OF workspace_id, id"
    " ON {parent} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.{parent_gone}()",
    "parents_gone": "CREATE TRIGGER {parents_gone} AFTER TRUNCATE ON {parent}"
    " FOR EACH STATEMENT EXECUTE FUNCTION public.{parent_gone}()",
}


def is_set(cursor: Any, key: Key) -> bool:
    """Whether the triggers are all there and at work, in place of the constraint."""
    cursor.execute(
        "SELECT count(*) FROM pg_trigger WHERE tgname = ANY(%s) AND tgenabled = 'O'"
        " AND tgrelid IN (%s::regclass, %s::regclass)",
        [[key.named(trigger) for trigger in _TRIGGERS], f'public."{key.child}"', f'public."{key.parent}"'],
    )
    is_complete = cursor.fetchone() == (len(_TRIGGERS),)
    cursor.execute("SELECT 1 FROM pg_constraint WHERE contype = 'f' AND conname = %s", [key.name])
    return is_complete and cursor.fetchone() is None


def take_over(database: BaseDatabaseWrapper, key: Key) -> None:
    """Let triggers do what the constraint of that name does. It is there: so all rows are checked, and it
    goes in the transaction that brings the triggers.
    """
    with transaction.atomic(using=database.alias), database.cursor() as cursor:
        write_functions(cursor, key)
        by_row = {"changed": _CHANGED_BY_ROW} if key.is_seldom_changed else {}
        for trigger, statement in (_TRIGGERS | by_row).items():
            table = "parent" if trigger.startswith("parent") else "child"
            for one in (f"DROP TRIGGER IF EXISTS {{{trigger}}} ON {{{table}}}", statement):
                cursor.execute(sql.SQL(one).format(**key.words))
        cursor.execute(sql.SQL("ALTER TABLE {child} DROP CONSTRAINT {key}").format(**key.words))


def write_functions(cursor: Any, key: Key) -> None:
    """What the triggers do, as this version of the product has it."""
    for function in (_FIND_PARENTS, _LOOK_FOR_CHILDREN, *([_FIND_PARENT] if key.is_seldom_changed else [])):
        cursor.execute(sql.SQL(function).format(**key.words))
