"""The forms of posts for social networks."""

from typing import Any

from django import forms

from apps.integrations import social
from apps.integrations.connectors.social.network import Post, images_of
from apps.integrations.models import SocialPost
from apps.integrations.social import Draft

LOCAL = "%Y-%m-%dT%H:%M"
MOST_IMAGES = 20


class PostForm(forms.Form):
    """What somebody writes; the times are the workspace's."""

    text = forms.CharField(
        label="Text", required=False, max_length=65_000, widget=forms.Textarea(attrs={"rows": 6})
    )
    link = forms.CharField(label="Link", required=False, max_length=2_000)
    images = forms.CharField(
        label="Images",
        required=False,
        max_length=50_000,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="One public address on each line; after a space and | what it shows, for those who cannot "
        "see it.",
    )
    scheduled_at = forms.DateTimeField(
        label="Not before",
        required=False,
        input_formats=[LOCAL, "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(format=LOCAL, attrs={"type": "datetime-local"}),
        help_text="In the workspace's time. Empty: as soon as it is approved.",
    )
    is_made_with_ai = forms.BooleanField(
        label="Made with AI", required=False, help_text="X is told so; the others have no field for it."
    )

    def draft(self) -> Draft:
        given = self.cleaned_data
        lines = [line.partition("|") for line in given["images"].splitlines() if line.strip()][:MOST_IMAGES]
        post = Post(
            text=given["text"].replace("\r\n", "\n").strip(),
            link=given["link"].strip(),
            images=images_of([url.strip() for url, _, _ in lines], [alt.strip() for _, _, alt in lines]),
            is_made_with_ai=given["is_made_with_ai"],
        )
        return Draft(post=post, scheduled_at=given["scheduled_at"])

    @staticmethod
    def initial_of(post: SocialPost) -> dict[str, Any]:
        told = zip(post.images, [*post.alts, *[""] * len(post.images)], strict=False)
        return {
            "text": post.text,
            "link": post.link,
            "images": "\n".join(f"{url} | {alt}" if alt else url for url, alt in told),
            "scheduled_at": post.scheduled_at,
            "is_made_with_ai": post.is_made_with_ai,
        }


class NewPostForm(PostForm):
    """The same, for as many accounts as are chosen."""

    accounts = forms.MultipleChoiceField(label="Accounts", widget=forms.CheckboxSelectMultiple)
    field_order = ["accounts", "text", "link", "images", "scheduled_at", "is_made_with_ai"]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.connections = list(social.usable())
        field: Any = self.fields["accounts"]
        field.choices = [(str(one.public_id), one.label) for one in self.connections]

    def chosen(self) -> list[Any]:
        return [one for one in self.connections if str(one.public_id) in self.cleaned_data["accounts"]]


class LimitForm(forms.Form):
    """What an account may spend in a day."""

    daily_limit = forms.DecimalField(label="At most in a day (UTC)", max_digits=8, decimal_places=3)
    reads_are_on = forms.BooleanField(
        label="Read figures and mentions for money", required=False, help_text="Once a day, within the limit."
    )
