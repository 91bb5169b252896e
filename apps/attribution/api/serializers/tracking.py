"""The tracking contract as the OpenAPI schema shows it. What is valid is decided in one place: parsing.py."""

from rest_framework import serializers

from apps.attribution.channel_rules import CONDITIONS

MOMENT = "ISO 8601 (without an offset: UTC) or seconds or milliseconds since 1970."
IDS = "Text or whole number, at most 200 characters."


class WhoSerializer(serializers.Serializer):
    user_id = serializers.CharField(
        max_length=200, required=False, help_text=f"Your own id of the person. {IDS} This or anonymous_id."
    )
    anonymous_id = serializers.CharField(
        max_length=200, required=False, help_text=f"Of a browser or device. {IDS} With user_id: both are one."
    )
    occurred_at = serializers.CharField(
        required=False,
        help_text=f"{MOMENT} Absent: now. From 2000 to 24 hours ahead.",
    )
    sent_at = serializers.CharField(
        required=False,
        help_text=f"The sender's clock when it sent this. {MOMENT} When it differs from ours by 2 s to 24 h, "
        "occurred_at is moved by as much.",
    )
    event_id = serializers.CharField(
        max_length=200, required=False, help_text="Makes a repeated request count once. Absent: one is made."
    )
    properties = serializers.DictField(required=False, help_text="At most 8 KiB as JSON, 8 levels deep.")


class TouchSerializer(WhoSerializer):
    event_type = serializers.CharField(
        max_length=40, help_text="impression, click, visit, email_open, email_click, call, …"
    )
    platform = serializers.CharField(
        max_length=60,
        help_text="meta, google, linkedin, tiktok, x, email, organic, referral, direct, offline, partner, or "
        "your own.",
    )
    campaign_id = serializers.CharField(max_length=200, required=False, help_text="Absent: utm_campaign.")
    creative_id = serializers.CharField(max_length=200, required=False, help_text="Absent: utm_content.")
    channel = serializers.CharField(
        max_length=60, required=False, help_text="Absent: derived by the workspace's channel rules."
    )
    url = serializers.CharField(
        max_length=4096,
        required=False,
        help_text="Page that was seen. Its utm_… and click ids are read; e-mail addresses, phone numbers and "
        "names in it are not kept.",
    )
    referrer = serializers.CharField(max_length=4096, required=False)
    utm_source = serializers.CharField(max_length=500, required=False)
    utm_medium = serializers.CharField(max_length=500, required=False)
    utm_campaign = serializers.CharField(max_length=500, required=False)
    utm_term = serializers.CharField(max_length=500, required=False)
    utm_content = serializers.CharField(max_length=500, required=False)
    gclid = serializers.CharField(
        max_length=500,
        required=False,
        help_text="Likewise gbraid, wbraid, dclid, fbclid, li_fat_id, ttclid, twclid, msclkid; only when not "
        "in the url.",
    )
    cost = serializers.DecimalField(
        max_digits=13,
        decimal_places=4,
        required=False,
        help_text="Of this touch, in the workspace's currency.",
    )


class TouchVerdictSerializer(serializers.Serializer):
    id = serializers.CharField(help_text="Handle of what is stored: the event id.")
    event_id = serializers.CharField()
    person_id = serializers.UUIDField()
    channel = serializers.CharField(help_text="Key of the channel it counts for.")
    duplicate = serializers.BooleanField(
        help_text="True: stored before; the answer is about what was stored."
    )
    ignored = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Names of fields that nobody read, if any."
    )


class ConversionSerializer(WhoSerializer):
    conversion_type = serializers.CharField(max_length=60, help_text="purchase, lead, sign_up, …")
    revenue = serializers.DecimalField(
        max_digits=15,
        decimal_places=4,
        help_text="Number or decimal text. Negative: a refund of the order. Rounded to the currency's "
        "smallest unit.",
    )
    currency = serializers.CharField(
        max_length=3,
        required=False,
        help_text="ISO 4217. Absent: the workspace's. Another one needs a rate in the workspace's settings.",
    )
    order_id = serializers.CharField(
        max_length=200,
        required=False,
        help_text="An order counts once: the same revenue again is a duplicate, another one corrects it.",
    )
    replaces = serializers.BooleanField(
        required=False, default=False, help_text="This revenue takes the place of what the order had."
    )


class ConversionVerdictSerializer(serializers.Serializer):
    id = serializers.CharField(help_text="Handle of what is stored: the event id.")
    event_id = serializers.CharField()
    order_id = serializers.CharField(allow_null=True)
    person_id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=["conversion", "correction", "refund"])
    value = serializers.DecimalField(
        max_digits=16, decimal_places=4, help_text="What the order is worth now, in the workspace's currency."
    )
    currency = serializers.CharField(help_text="The workspace's.")
    duplicate = serializers.BooleanField()
    ignored = serializers.ListField(child=serializers.CharField(), required=False)


class IdentitySerializer(serializers.Serializer):
    user_id = serializers.CharField(max_length=200, help_text=f"Your own id of the person. {IDS}")
    anonymous_id = serializers.CharField(
        max_length=200, required=False, help_text="What it did before becomes the person's."
    )
    traits = serializers.DictField(
        required=False,
        help_text="email, phone, name, first_name and last_name are sealed; others are kept as they are; "
        "null removes one. At most 8 KiB.",
    )
    consent = serializers.DictField(
        child=serializers.BooleanField(),
        required=False,
        help_text='What they allow or withdrew, by purpose: {"ad_user_data": true}. Said at occurred_at.',
    )
    occurred_at = serializers.DateTimeField(required=False, help_text="When this was said; now by default.")


class IdentityVerdictSerializer(serializers.Serializer):
    person_id = serializers.UUIDField()
    user_id = serializers.CharField()
    merged = serializers.BooleanField(help_text="True: what an anonymous person did is now this person's.")
    errors = serializers.DictField(  # type: ignore[assignment] # a name of REST framework's own
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="By consent.<purpose>: a yes that was not taken, since it has to be confirmed by e-mail.",
    )
    ignored = serializers.ListField(child=serializers.CharField(), required=False)


class BatchSerializer(serializers.Serializer):
    events = serializers.ListField(
        child=serializers.DictField(),
        min_length=1,
        max_length=1000,
        help_text='Each with "type": "event", "conversion" or "identify", and the fields of that endpoint.',
    )


class ManyVerdictsSerializer(serializers.Serializer):
    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    refused = serializers.IntegerField()
    results = serializers.ListField(
        child=serializers.DictField(),
        help_text="In the order sent. Each has its status and the fields of its endpoint's answer or error.",
    )


class SpendRowSerializer(serializers.Serializer):
    platform = serializers.CharField(max_length=60)
    campaign_id = serializers.CharField(max_length=200, required=False)
    creative_id = serializers.CharField(max_length=200, required=False)
    channel = serializers.CharField(
        max_length=60, required=False, help_text="Absent: the channel that the campaign's touches are in."
    )
    day = serializers.DateField()
    amount = serializers.DecimalField(max_digits=13, decimal_places=4, min_value=0)
    currency = serializers.CharField(max_length=3, required=False)
    impressions = serializers.IntegerField(min_value=0, required=False)
    clicks = serializers.IntegerField(min_value=0, required=False)


class SpendSerializer(serializers.Serializer):
    spend = SpendRowSerializer(many=True, help_text="1 to 1,000 rows. The list alone will do as well.")


class ChannelSerializer(serializers.Serializer):
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment] # the base class has one of that name
    position = serializers.IntegerField(help_text="Its place in lists, and its colour.")


class ChannelRuleSerializer(serializers.Serializer):
    channel_key = serializers.CharField(max_length=60)
    is_active = serializers.BooleanField(default=True)

    def get_fields(self) -> dict[str, serializers.Field]:
        patterns: dict[str, serializers.Field] = {
            name: serializers.CharField(max_length=300, required=False, help_text="A pattern: * and |.")
            for name in CONDITIONS
        }
        return {**super().get_fields(), **patterns}


class ChannelRulesSerializer(serializers.Serializer):
    rules = ChannelRuleSerializer(
        many=True, help_text="In order: the first whose conditions all hold decides."
    )
    reason = serializers.CharField(max_length=500, required=False)
