from typing import Any

from django.core.validators import MinValueValidator
from rest_framework import serializers

from apps.integrations.connectors.social.network import Post, images_of
from apps.integrations.models import SocialPost
from apps.integrations.social import MOST_ACCOUNTS, Draft

MOST_IMAGES = 20


class ImageSerializer(serializers.Serializer):
    url = serializers.CharField(max_length=2_000, help_text="A public address.")
    alt = serializers.CharField(
        max_length=1_000,
        allow_blank=True,
        default="",
        help_text="What it shows, for those who cannot see it.",
    )


class DraftSerializer(serializers.Serializer):
    """What is to be published."""

    text = serializers.CharField(max_length=65_000, allow_blank=True, default="")
    link = serializers.CharField(max_length=2_000, allow_blank=True, default="")
    images = serializers.ListField(child=ImageSerializer(), default=list, max_length=MOST_IMAGES)
    is_made_with_ai = serializers.BooleanField(default=False)
    scheduled_at = serializers.DateTimeField(
        allow_null=True, default=None, help_text="Not before; null: as soon as it is approved."
    )

    @staticmethod
    def draft_of(given: dict[str, Any]) -> Draft:
        images = images_of([one["url"] for one in given["images"]], [one["alt"] for one in given["images"]])
        post = Post(
            text=given["text"],
            link=given["link"],
            images=images,
            is_made_with_ai=given["is_made_with_ai"],
        )
        return Draft(post=post, scheduled_at=given["scheduled_at"])


class NewPostSerializer(DraftSerializer):
    connections = serializers.ListField(
        child=serializers.UUIDField(),
        min_length=1,
        max_length=MOST_ACCOUNTS,
        help_text="Accounts to write for: a draft for each.",
    )


class PostFilterSerializer(serializers.Serializer):
    state = serializers.ChoiceField(choices=SocialPost.State.choices, required=False)
    limit = serializers.IntegerField(min_value=1, max_value=200, default=50)


class PostSerializer(serializers.Serializer):
    """A post for one account, and what became of it."""

    id = serializers.UUIDField(source="public_id")
    connection = serializers.UUIDField(source="connection.public_id")
    service = serializers.CharField(source="connection.service")
    state = serializers.ChoiceField(choices=SocialPost.State.choices)
    reason = serializers.CharField(help_text="Why it waits or failed, or empty.")
    text = serializers.CharField()
    link = serializers.CharField()
    images = serializers.SerializerMethodField()
    is_made_with_ai = serializers.BooleanField()
    scheduled_at = serializers.DateTimeField(allow_null=True)
    approved_at = serializers.DateTimeField(allow_null=True)
    published_at = serializers.DateTimeField(allow_null=True)
    deleted_at = serializers.DateTimeField(allow_null=True)
    external_id = serializers.CharField(help_text="The network's own id of it.")
    url = serializers.CharField()
    price = serializers.DecimalField(
        max_digits=8, decimal_places=3, help_text="What publishing it costs, in the account's currency."
    )
    views = serializers.IntegerField(allow_null=True, help_text="Null: not read, or not told.")
    reactions = serializers.IntegerField(allow_null=True)
    comments = serializers.IntegerField(allow_null=True)
    shares = serializers.IntegerField(allow_null=True)
    clicks = serializers.IntegerField(allow_null=True)
    figures_read_at = serializers.DateTimeField(allow_null=True)

    def get_images(self, post: SocialPost) -> list[dict[str, str]]:
        return [{"url": one.url, "alt": one.alt} for one in images_of(post.images, post.alts)]


class PreviewSerializer(serializers.Serializer):
    """A draft as one network will get it."""

    connection = serializers.UUIDField(source="connection.public_id")
    service = serializers.CharField(source="service.key")
    body = serializers.CharField(help_text="The text that it gets.")
    length = serializers.IntegerField(help_text="As the network counts it.")
    longest = serializers.IntegerField()
    price = serializers.DecimalField(max_digits=8, decimal_places=3)
    currency = serializers.CharField()
    faults = serializers.ListField(child=serializers.CharField())
    warnings = serializers.ListField(child=serializers.CharField())


class AccountSerializer(serializers.Serializer):
    """An account at a network, and how it is used."""

    connection = serializers.UUIDField(source="connection.public_id")
    service = serializers.CharField(source="service.key")
    is_paused = serializers.BooleanField(source="account.is_paused")
    is_charged = serializers.BooleanField(help_text="Whether the network charges for posts.")
    daily_limit = serializers.DecimalField(max_digits=8, decimal_places=3, source="account.daily_limit")
    spent_today = serializers.DecimalField(max_digits=12, decimal_places=3, source="spent")
    currency = serializers.CharField(source="account.currency")
    reads_are_on = serializers.BooleanField(source="account.reads_are_on")
    can_read_mentions = serializers.BooleanField(source="rules.can_read_mentions")
    trouble = serializers.CharField(help_text="What a person should know, or empty.")
    waiting = serializers.IntegerField(help_text="Posts that are approved or on their way.")
    followers = serializers.IntegerField(allow_null=True)


class LimitSerializer(serializers.Serializer):
    daily_limit = serializers.DecimalField(max_digits=8, decimal_places=3, validators=[MinValueValidator(0)])
    reads_are_on = serializers.BooleanField(help_text="Whether figures and mentions are read for money.")


class MentionSerializer(serializers.Serializer):
    """What somebody wrote of an account."""

    connection = serializers.UUIDField(source="connection.public_id")
    external_id = serializers.CharField()
    author = serializers.CharField()
    text = serializers.CharField()
    url = serializers.CharField()
    at = serializers.DateTimeField()


class MentionFilterSerializer(serializers.Serializer):
    limit = serializers.IntegerField(min_value=1, max_value=200, default=50)
