"""What attribution holds on people. Erased people's touches and orders still count; whose they were is no
longer known.
"""

from django.db.models import TextField
from django.db.models.functions import Cast

from apps.accounts.privacy import Identifiers, holds, impersonal, when_erased
from apps.attribution.models import (
    Channel,
    ChannelRule,
    Conversion,
    ConversionRecord,
    Credit,
    FileImport,
    MarkovTransition,
    ModelRun,
    RejectedRow,
    Source,
    Spend,
    Touchpoint,
)

holds(
    Touchpoint,
    export=[
        "event_id",
        "event_type",
        "occurred_at",
        "received_at",
        "source__channel__key",
        "source__platform",
        "source__campaign_id",
        "source__creative_id",
        "url",
        "referrer",
        "properties",
    ],
    on_erase="keep_pseudonymous",
    blank=["url", "referrer", "properties"],
    disguise=["event_id"],
    not_personal=["source", "event_type", "occurred_at", "received_at", "cost"],
)
holds(
    Conversion,
    export=["conversion_type", "order_id", "occurred_at", "value", "is_counted"],
    on_erase="keep_pseudonymous",
    disguise=["order_id"],
    not_personal=["conversion_type", "occurred_at", "value", "is_counted", "updated_at"],
)
holds(
    ConversionRecord,
    person="conversion__person",
    export=[
        "kind",
        "event_id",
        "conversion__order_id",
        "revenue",
        "currency",
        "occurred_at",
        "received_at",
        "properties",
    ],
    on_erase="keep_pseudonymous",
    blank=["properties"],
    disguise=["event_id"],
    not_personal=["kind", "revenue", "currency", "exchange_rate", "occurred_at", "received_at"],
)
impersonal(Channel, ChannelRule, Source, Spend, because="where touches come from and what it costs")
impersonal(ModelRun, Credit, MarkovTransition, because="sums over many people")
impersonal(FileImport, because="counts; the rows it could not store are searched below")
impersonal(RejectedRow, because="a row as received, tied to nobody; searched below")


@when_erased
def forget_rejected_rows(known_by: Identifiers) -> None:
    """Rows that an import set aside hold what was sent, and go when they mention the person."""
    for column in ("row", "errors"):
        as_text = RejectedRow.objects.annotate(text=Cast(column, TextField()))
        as_text.filter(known_by.mentioned_in("text")).delete()
