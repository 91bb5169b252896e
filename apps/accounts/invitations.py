"""The mail that brings a new member in. It carries a link to set a password, for those who have none yet."""

from smtplib import SMTPException

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string
from django.urls import reverse

from apps.accounts.models import Membership, User, Workspace
from apps.accounts.tasks_base import workspace_task

HOUR = 3_600


@workspace_task(
    name="accounts.invitations.send",
    autoretry_for=(OSError, SMTPException),
    retry_backoff=30,
    max_retries=6,
)
def send(*, membership_id: int, invited_by: str) -> None:
    """Write to a member how to come in; nothing if they were removed meanwhile."""
    member = Membership.objects.filter(pk=membership_id).select_related("user").first()
    if member is None:
        return
    workspace = Workspace.objects.get(pk=member.workspace_id)
    context = {
        "workspace": workspace,
        "role": member.get_role_display().lower(),
        "invited_by": invited_by,
        "is_new": not member.user.has_usable_password(),
        "link": _way_in(member.user),
        "hours": settings.PASSWORD_RESET_TIMEOUT // HOUR,
    }
    text = render_to_string("accounts/mail/invitation.txt", context)
    send_mail(f"You were added to {workspace.name} on Bellwether", text, None, [member.user.email])


def _way_in(user: User) -> str:
    """Setting a password for whoever has none, signing in for everybody else."""
    if user.has_usable_password():
        return settings.SITE_URL + reverse("account_login")
    key = {"uidb36": user_pk_to_url_str(user), "key": default_token_generator.make_token(user)}
    return settings.SITE_URL + reverse("account_reset_password_from_key", kwargs=key)
