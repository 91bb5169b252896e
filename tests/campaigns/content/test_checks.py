"""What is held against a text before anybody gets it."""

import pytest

from apps.campaigns.content import faults
from apps.campaigns.content.compiling import postal_address
from apps.campaigns.content.links import is_link
from apps.campaigns.models import Topic
from tests.factories import NOW, PersonFactory

GOOD = "Five words are quite enough. [Our barn](https://a.example)"


def found(campaign, *contents):
    return [(one.severity, one.where, one.words) for one in faults(campaign, contents)]


def test_a_good_text_has_no_faults(campaign, content_of):
    assert found(campaign, content_of()) == []


@pytest.mark.parametrize(
    ("words", "severity", "where", "piece"),
    [
        ({"subject": "{{ nickname }}"}, "error", "a: subject", "no merge field 'nickname'"),
        ({"subject": "{{ traits.x }}"}, "error", "a: subject", "empty for somebody"),
        ({"subject": "{{ last_name | default('') }}"}, "error", "a: subject", "nothing is known"),
        ({"subject": "x" * 250}, "error", "a: subject", "250 characters"),
        ({"subject": "x" * 80}, "advice", "a: subject", "80 characters"),
        ({"subject": "LAST chance, FREE entry"}, "advice", "a: subject", "capitals"),
        ({"subject": "Now! Come! Quick!"}, "advice", "a: tone", "exclamation"),
        ({"subject": "Free money for you"}, "advice", "a: tone", "free money"),
        ({"preheader": "{{ range(9) }}"}, "error", "a: preheader", "A call cannot be used"),
        ({"preheader": ""}, "advice", "a: preheader", "how the body begins"),
        ({"preheader": "x" * 150}, "advice", "a: preheader", "140"),
        ({"body": "  "}, "error", "a: body", "empty"),
        ({"body": f"{GOOD} {{% if season %}}"}, "error", "a: body", "end of template"),
        ({"body": f"{GOOD} {{{{ traits.nope }}}}"}, "advice", "a: merge fields", "'nope'"),
        ({"body": f"{GOOD}\n\n- a {{% if season %}}\n\nb\n\n{{% endif %}}"},
         "error", "a: body", "another paragraph"),
        ({"body": "Two words"}, "advice", "a: body", "few words"),
        ({"body": "Nothing to click here, but words."}, "advice", "a: links", "nothing to click"),
        ({"body": f"{GOOD} [x](ftp://a.example)"}, "error", "a: links", "ftp://"),
        ({"body": f"{GOOD} [x](mailto:a@b.example)"}, "error", "a: links", "mailto:"),
        ({"body": f"{GOOD} [x](/prices)"}, "error", "a: links", "/prices"),
        ({"body": f"{GOOD} [x](https://ada:secret@a.example)"}, "error", "a: links", "password"),
        ({"body": f"{GOOD} <a href='javascript:x()'>x</a>"}, "error", "a: links", "javascript"),
        ({"body": f"{GOOD} [barns](http://a.example)"}, "advice", "a: links", "not encrypted"),
        ({"body": f"{GOOD} [Click here!](https://a.example)"}, "advice", "a: links", "Click here"),
        ({"body": f"{GOOD} [](https://a.example)"}, "advice", "a: links", "no words"),
        ({"body": GOOD + "".join(f"[l{n}](https://a.example/{n}) " for n in range(101))},
         "error", "a: links", "100"),
        ({"body": f"{GOOD} ![](https://a.example/x.png)"}, "advice", "a: images", "no description"),
        ({"body": f"{GOOD} ![x](x.png)"}, "error", "a: images", "not on the web"),
        ({"body": f"# A\n\n{GOOD}\n\n### B"}, "advice", "a: headings", "level 3"),
        ({"body": GOOD + "\n\n- item" * 2_000}, "advice", "a: size", "Gmail"),
        (
            {"body": GOOD + "{% for x in traits.a %}" + "{{ x }}" * 100 + "{% endfor %}"},
            "error", "a: size", "long values",
        ),
        ({"cta_label": "Go"}, "error", "a: button", "leads nowhere"),
        ({"cta_url": "https://a.example"}, "error", "a: button", "no words"),
        ({"cta_label": "Go", "cta_url": "a.example"}, "error", "a: links", "a.example"),
    ],
)  # fmt: skip
def test_each_fault_is_named(campaign, content_of, words, severity, where, piece):
    told = found(campaign, content_of(**words))

    assert any(one[:2] == (severity, where) and piece in one[2] for one in told), told


def test_errors_come_first(campaign, content_of):
    told = found(campaign, content_of(preheader="", body=""))

    assert [one[0] for one in told] == sorted((one[0] for one in told), reverse=True)


def test_a_trait_that_somebody_has_is_known(workspace, campaign, content_of):
    PersonFactory(workspace=workspace, traits={"plan": "gold"})

    assert found(campaign, content_of(body=f"{GOOD} {{{{ traits.plan | default('basic') }}}}")) == []


def test_a_campaign_says_something_and_twice_is_once(campaign, content_of):
    assert "nothing to say" in found(campaign)[0][2]
    assert "the same" in found(campaign, content_of("a"), content_of("b"))[0][2]


def test_a_commercial_message_has_a_postal_address(workspace, campaign, sender, content_of):
    sender.options = {}
    sender.save()

    assert [one[1] for one in found(campaign, content_of())] == ["footer"]
    campaign.topic = Topic.objects.create(workspace=workspace, key="receipts", name="R", basis="service")
    assert found(campaign, content_of("b")) == []


@pytest.mark.parametrize("value", ["x", 5, "", "x" * 400])
def test_the_setting_of_the_address_is_checked(api, value):
    answer = api.patch("/api/v1/workspace", {"settings": {"postal_address": value}}, format="json")

    assert answer.status_code == 400
    assert "settings.postal_address" in answer.json()["errors"]


def test_the_setting_of_the_address(workspace, api):
    api.patch("/api/v1/workspace", {"settings": {"postal_address": "1 High Street"}}, format="json")

    workspace.refresh_from_db()
    assert postal_address(workspace, None) == "1 High Street"


@pytest.mark.parametrize(
    "url",
    ["", "x", "https://", "https://a b.example", "https://[", "https://a.example:99999999", "//a.example"],
)
def test_what_is_no_link(url):
    assert not is_link(url)


def test_faults_name_nothing_of_now(campaign, content_of):
    """The same text has the same faults."""
    one = content_of(body="x")
    assert found(campaign, one) == found(campaign, one)
    assert one.changed_at == NOW
