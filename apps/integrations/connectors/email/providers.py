"""The e-mail providers, in the order in which they are asked."""

from apps.integrations.client import Client
from apps.integrations.connectors.email.mailgun import Mailgun
from apps.integrations.connectors.email.provider import Provider
from apps.integrations.connectors.email.resend import Resend
from apps.integrations.connectors.email.smtp import Smtp

PROVIDERS: dict[str, type[Provider]] = {"resend": Resend, "mailgun": Mailgun, "smtp": Smtp}


def provider(client: Client) -> Provider:
    return PROVIDERS[client.connection.service](client)
