"""What a limit or a question is about: the whole workspace, an account, or a campaign of one."""

from uuid import UUID

from apps.accounts.errors import NotHere
from apps.integrations.models import AdCampaign, Connection


def of(connection_id: UUID | None, campaign_id: str | None) -> tuple[Connection | None, AdCampaign | None]:
    """An account or a campaign of this workspace, or neither. Raises NotHere."""
    if connection_id is None:
        return None, None
    connection = Connection.objects.filter(public_id=connection_id).first()
    if connection is None:
        raise NotHere("There is no such connection.")
    if campaign_id is None:
        return connection, None
    campaign = AdCampaign.objects.filter(connection=connection, external_id=campaign_id).first()
    if campaign is None:
        raise NotHere("There is no such campaign in the account.")
    return None, campaign
