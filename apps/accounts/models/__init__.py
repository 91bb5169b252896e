"""The ground floor's aggregates, one file each."""

from apps.accounts.models.api_key import ApiKey
from apps.accounts.models.audit import AuditEntry, AuditSeal
from apps.accounts.models.job import Job
from apps.accounts.models.outbox import Delivery, OutboxEvent
from apps.accounts.models.person import Alias, ConsentRecord, Erasure, Person, PersonMerge
from apps.accounts.models.user import Membership, User
from apps.accounts.models.workspace import Workspace, WorkspaceForeignKey, WorkspaceOwned

__all__ = [
    "Alias",
    "ApiKey",
    "AuditEntry",
    "AuditSeal",
    "ConsentRecord",
    "Delivery",
    "Erasure",
    "Job",
    "Membership",
    "OutboxEvent",
    "Person",
    "PersonMerge",
    "User",
    "Workspace",
    "WorkspaceForeignKey",
    "WorkspaceOwned",
]
