"""Roles and scopes, and the one question: may(actor, "attribution:read")?"""

from dataclasses import dataclass, field

from django.core.exceptions import PermissionDenied

from apps.accounts.models import ApiKey, AuditEntry, Membership

Role = Membership.Role

# What may be done, and the least that is needed for it. Areas are rooms of the product; verbs are read,
# write, manage.
ALLOWED_ROLES: dict[str, frozenset[str]] = {
    action: frozenset(roles.split())
    for action, roles in {
        "profile:read": "owner admin analyst operator viewer customer",
        "attribution:read": "owner admin analyst operator viewer",
        "attribution:write": "owner admin analyst",
        "experiments:write": "owner admin analyst operator",
        "tracking:write": "owner admin operator analyst",
        "imports:write": "owner admin operator",
        "integrations:read": "owner admin analyst operator viewer",
        "integrations:manage": "owner admin",
        "incidents:act": "owner admin operator",
        "social:write": "owner admin operator",
        "social:approve": "owner admin",
        "optimization:read": "owner admin analyst operator viewer",
        "optimization:write": "owner admin analyst",
        "optimization:approve": "owner admin",
        "optimization:stop": "owner admin analyst operator",
        "campaigns:read": "owner admin analyst operator viewer",
        "campaigns:write": "owner admin operator",
        "campaigns:send": "owner admin operator",
        "campaigns:stop": "owner admin analyst operator",
        "people:read": "owner admin analyst operator",
        "people:write": "owner admin operator",
        "people:erase": "owner admin",
        "api_keys:manage": "owner admin",
        "members:manage": "owner admin",
        "workspace:read": "owner admin analyst operator viewer",
        "workspace:manage": "owner admin",
        "audit:read": "owner admin",
        "jobs:read": "owner admin analyst operator viewer",
        "jobs:cancel": "owner admin analyst operator",
    }.items()
}
ALLOWED_SCOPES: dict[str, frozenset[str]] = {
    action: frozenset(scopes.split())
    for action, scopes in {
        "attribution:read": "read write admin",
        "attribution:write": "write admin",
        "experiments:write": "write admin",
        "tracking:write": "track write admin",
        "imports:write": "write admin",
        "integrations:read": "read write admin",
        "integrations:manage": "admin",
        "incidents:act": "write admin",
        "social:write": "write admin",
        # Limits, resuming and deletion; an approval itself is a person's alone (integrations/social.py).
        "social:approve": "admin",
        "optimization:read": "read write admin",
        "optimization:write": "write admin",
        "optimization:approve": "admin",
        "optimization:stop": "write admin",
        "campaigns:read": "read write admin",
        "campaigns:write": "write admin",
        "campaigns:send": "admin",
        "campaigns:stop": "write admin",
        "people:read": "admin",
        "people:write": "write admin",
        "people:erase": "admin",
        "api_keys:manage": "admin",
        "workspace:read": "read write admin",
        "workspace:manage": "admin",
        "audit:read": "admin",
        "jobs:read": "read write admin",
        "jobs:cancel": "write admin",
    }.items()
}


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Who acts: a user in a role, an API key with its scopes, or the system itself.

    rate_limit_key: what a rate limit counts by.
    """

    kind: str
    id: int | None
    label: str
    workspace_id: int
    role: str = ""
    scopes: frozenset[str] = field(default_factory=frozenset)
    person_id: int | None = None
    # Of the house that runs the product, not of the workspace.
    is_staff: bool = False

    @property
    def rate_limit_key(self) -> str:
        return f"{self.kind}:{self.id}"


def system(workspace_id: int, label: str = "Bellwether") -> Actor:
    """The product itself, in tasks and commands."""
    return Actor(kind=AuditEntry.ActorKind.SYSTEM, id=None, label=label, workspace_id=workspace_id)


def may(actor: Actor | None, action: str) -> bool:
    """Whether the actor may do the action. An unknown action raises KeyError: it is a slip, not a refusal."""
    roles, scopes = ALLOWED_ROLES.get(action, frozenset()), ALLOWED_SCOPES.get(action, frozenset())
    if not roles and not scopes:
        raise KeyError(action)
    if actor is None:
        return False
    if actor.kind == AuditEntry.ActorKind.SYSTEM:
        return True
    if actor.kind == AuditEntry.ActorKind.API_KEY:
        return bool(scopes & actor.scopes)
    return actor.role in roles


def require(actor: Actor | None, action: str) -> None:
    """Raise PermissionDenied unless the actor may."""
    if not may(actor, action):
        raise PermissionDenied(lacking(actor, action))


def lacking(actor: Actor | None, action: str) -> str:
    """What to say to whoever may not: the right, who has it, and what to do."""
    ask, asked = "Ask an owner or admin of the workspace", f"This needs the right {action!r}"
    if actor is None or actor.kind != AuditEntry.ActorKind.API_KEY:
        roles = [role.value for role in Role if role in ALLOWED_ROLES.get(action, ())]
        yours = f" Your role is {actor.role}." if actor is not None and actor.role else ""
        return f"{asked} ({_any_of('role', roles)}).{yours} {ask}."
    scopes = [name for name in ApiKey.Scope.values if name in ALLOWED_SCOPES.get(action, ())]
    if not scopes:
        return f"{asked}, which no API key has: a person does it, signed in."
    own = ", ".join(name for name in ApiKey.Scope.values if name in actor.scopes) or "none"
    return f"{asked} ({_any_of('scope', scopes)}). This key's scopes: {own}. {ask} for another key."


def _any_of(what: str, names: list[str]) -> str:
    return f"{what} {', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else f"{what} {names[0]}"
