"""What a service said later of conversions that it took."""

from apps.integrations.models import Connection, ForwardedConversion

Verdict = ForwardedConversion.Verdict


def keep(connection: Connection, reference: str, verdict: str, *, reason: str = "") -> int:
    """Note it with every conversion of the batch that the service knows by the reference."""
    rows = ForwardedConversion.objects.filter(connection=connection, call__reference=reference[:200])
    return rows.update(verdict=verdict, verdict_reason=reason[:200])
