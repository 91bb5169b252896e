"""Messages as bytes, against the standard library's parser."""

import email
import html
import re
from email import policy
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.campaigns.content import layout
from apps.campaigns.content.body import CLOSE, OPEN, Marks
from apps.campaigns.content.filling import Fixed, Flowing
from apps.campaigns.content.headers import UnsafeHeader, block, line
from apps.campaigns.content.letters import BOUNDARY, CONTENT_TYPE
from apps.campaigns.content.sandbox import BadTemplate, Piece
from apps.campaigns.content.totals import shown
from apps.campaigns.message_tokens import Tokens
from tests.campaigns.content.letters_of import SITE, TOKEN, TOKENS, WAY_OUT, letter

texts = st.text(st.characters(), max_size=300)
BODY = """# Dear {{ first_name }}

We have {{ traits.plan }} for {{ name }}. [See it](https://a.example/x?y=1&z=é) = good.

{% if season %}
> It is {{ season }}.
{% endif %}

.{{ last_name }}
.
"""
PRINTED = [
    "{{ first_name }}",
    "{{ name | default('you') }}",
    "{{ traits.plan }}",
    "{{ 'a' if season else name }}",
]
MARK = re.compile("\ue000(\\d+)\ue001")


def parsed(rendered, *headers):
    head = block([("Subject", rendered.subject), *headers, ("MIME-Version", "1.0")])
    raw = head + f"Content-Type: {CONTENT_TYPE}\r\n\r\n".encode() + rendered.mime
    return raw, email.message_from_bytes(raw, policy=policy.default)


@given(first=texts, last=texts, plan=texts, season=texts)
@settings(max_examples=120)
def test_any_value_comes_out_as_it_went_in(first, last, plan, season):
    made = letter(
        subject="To {{ first_name }}: {{ season }}", preheader="{{ last_name }}", body=BODY,
        cta_label="Go, {{ first_name }}", cta_url="https://a.example/",
    )  # fmt: skip
    values = {
        "first_name": first, "last_name": last, "name": f"{first} {last}", "season": season,
        "traits": {"plan": plan},
    }  # fmt: skip

    rendered = made.render(values, TOKENS)
    raw, message = parsed(rendered)
    text, page = message.iter_parts()

    said = [shown(one) for one in (plan, f"{first} {last}")]
    assert f"We have {said[0]} for {said[1]}. See it ({SITE}/c/{TOKEN}/1) = good." in _text(text)
    assert f"We have {_escaped(said[0])} for {_escaped(said[1])}. <a href=" in _text(page)
    assert f"\n.{shown(last)} ." in _text(text) or not last
    assert message["subject"] == rendered.subject == " ".join(rendered.subject.split())
    assert [one.get_content_type() for one in message.walk()] == [
        "multipart/alternative", "text/plain", "text/html"
    ]  # fmt: skip
    assert not message.defects
    assert rendered.text.decode() == _text(text)
    assert rendered.html.decode() == _text(page)
    assert max(map(len, raw.split(b"\r\n"))) <= 76
    assert not any(row.startswith(b".") for row in raw.split(b"\r\n"))
    assert raw.count(BOUNDARY.encode()) == 4
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert raw.isascii()
    assert b"\0" not in raw


def _text(part):
    return part.get_payload(decode=True).decode().replace("\r\n", "\n")


def _escaped(text):
    return html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


@given(name=st.sampled_from(["Subject", "X-Long-Name-Of-A-Header", "From"]), value=texts)
@settings(max_examples=300)
def test_headers_read_back(name, value):
    if any(one in value for one in "\r\n\0") or any("\ud800" <= one <= "\udfff" for one in value):
        return
    raw = line(name, value)

    assert raw.isascii()
    assert raw.endswith(b"\r\n")
    assert max(map(len, raw.split(b"\r\n"))) <= 76 + (len(value) > 900)
    assert all(row[:1] == b" " for row in raw.removesuffix(b"\r\n").split(b"\r\n")[1:])
    if value.strip() == value and "  " not in value and "\t" not in value and value.isprintable():
        found = email.message_from_bytes(raw + b"\r\n", policy=policy.default.clone(max_line_length=None))
        if name != "From":
            assert found[name] == value


@pytest.mark.parametrize("value", ["a\r\nBcc: x@y.z", "a\nb", "a\rb", "a\0b"])
def test_a_header_cannot_begin_another(value):
    with pytest.raises(UnsafeHeader):
        line("Subject", value)


@pytest.mark.parametrize("name", ["Sub ject", "Sub:ject", "", "Bétreff", "A\r\nB"])
def test_the_name_of_a_header_is_a_name(name):
    with pytest.raises(UnsafeHeader):
        line(name, "x")


def test_a_value_cannot_slip_into_a_header():
    rendered = letter(subject="Hi {{ first_name }}").render({"first_name": "A\r\nBcc: x@y.z"}, TOKENS)

    _, message = parsed(rendered)
    assert rendered.subject == "Hi A Bcc: x@y.z"
    assert message["bcc"] is None


@pytest.mark.parametrize("token", ["", "a b", "a\r\nb", "a=b", "é"])
def test_a_token_is_letters_and_digits(token):
    for tokens in (Tokens(token, WAY_OUT), Tokens(TOKEN, token)):
        with pytest.raises(ValueError, match="token"):
            letter().render({}, tokens)


def test_what_acts_for_the_recipient_stands_in_the_way_out_alone():
    found = letter(body="[a](https://a.example)", cta_label="Go", cta_url="https://b.example").render(
        {}, TOKENS
    )

    for part in (found.html.decode(), found.text.decode()):
        assert {place.split("/")[-2] for place in re.findall(rf"{SITE}/\w+/{WAY_OUT}", part)} == {
            "u",
            "preferences",
        }
        assert not re.search(rf"/(u|preferences)/{TOKEN}", part)


def test_a_value_that_looks_like_the_place_of_a_token_is_a_value():
    found = letter(body="Hi {{ first_name }}").render({"first_name": "\x01\x00Ada"}, TOKENS)

    assert found.html.count(WAY_OUT.encode()) == 2
    assert b"Hi Ada" in found.text


def test_links_have_one_number_each_and_lead_through_us():
    numbers = {}
    body = "[a](https://a.example/?x=1&y=2) [b](https://b.example) [again](https://a.example/?x=1&y=2)"

    rendered = letter(
        body=body, cta_label="Go", cta_url="https://c.example", numbers=numbers
    ).render({}, TOKENS)  # fmt: skip

    assert numbers == {"https://a.example/?x=1&y=2": 1, "https://b.example": 2, "https://c.example": 3}
    hrefs = re.findall(rb'href="([^"]+)"', rendered.html)
    assert hrefs == [
        f"{SITE}/{path}".encode()
        for path in (
            *(f"c/{TOKEN}/{number}" for number in (1, 2, 1, 3)),
            f"u/{WAY_OUT}",
            f"preferences/{WAY_OUT}",
        )
    ]
    assert f"a ({SITE}/c/{TOKEN}/1) b ({SITE}/c/{TOKEN}/2)".encode() in rendered.text
    assert b"a.example" not in rendered.html + rendered.text


@pytest.mark.parametrize(
    "body",
    [
        "[x](https://a.example/{{ first_name }})",
        "![x](https://a.example/{{ first_name }}.png)",
        '<a href="{{ first_name }}">x</a>',
        "<p {{ first_name }}>x</p>",
        "- a\n- b {% if season %}\n\nc\n\n{% endif %}",
        "**a {% if season %} b** c {% endif %}",
        "<script>{{ first_name }}</script>",
        "<!-- {{ first_name }} -->",
    ],
)
def test_a_field_in_a_place_that_cannot_hold_it(body):
    with pytest.raises(BadTemplate):
        letter(body=body)


def test_what_is_dangerous_in_the_body_is_taken_out():
    body = (
        "<script>alert(1)</script><p onclick='x()'>a</p><a href='javascript:alert(1)'>b</a>"
        "<img src='data:image/png;base64,AAAA' onerror='x()'><iframe src='https://x.example'></iframe>"
        "<style>p{}</style><form action='https://x.example'><input></form>"
    )
    drawn = letter(body=body).render({}, TOKENS).html.decode().partition("</style>")[2].lower()

    for word in ("script", "onclick", "onerror", "iframe", "data:", "<form", "<input", "<style"):
        assert word not in drawn


def test_blocks_leave_no_gaps_in_the_plain_text():
    body = (
        "One.\n\n{% if season == 'winter' %}\nTwo.\n{% elif season %}\nThree.\n{% endif %}\n\n"
        "- a\n- b\n\nFour."
    )
    made = letter(body=body)

    def said(**values):
        return made.render(values, TOKENS).text.decode().partition("\n\n-- \n")[0]

    assert said() == "One.\n\n- a\n- b\n\nFour."
    assert said(season="winter") == "One.\n\nTwo.\n\n- a\n- b\n\nFour."
    assert said(season="spring") == "One.\n\nThree.\n\n- a\n- b\n\nFour."


def test_the_plain_text_says_what_the_page_says():
    body = (
        "# Head\n\nA *b* **c**\nd\\\ne\n\n1. one\n   - inner\n2. two\n\n> quoted\n\n| a | b |\n|---|---|\n"
        "| 1 | 2 |\n\n"
        "![A hall](https://a.example/i.png)\n\n    code  here\n\n---\n\nEnd."
    )
    said = letter(body=body).render({}, TOKENS).text.decode().partition("\n\n-- \n")[0]

    assert said == (
        "Head\n\nA b c d\ne\n\n1. one\n  - inner\n2. two\n\n"
        "quoted\n\na | b\n1 | 2\n\n[A hall]\n\ncode  here\n\n"
        "----\n\nEnd."
    )


class _Nesting(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.images, self.tables = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.images.append(dict(attrs))
        elif tag == "table":
            self.tables.append(dict(attrs))
        if tag not in {"meta", "img", "br", "hr"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("season", ["", "winter"])
def test_the_page_is_whole_whatever_is_left_out(season):
    made = letter(body=BODY, preheader="x", cta_label="Go", cta_url="https://a.example")
    page = made.render({"season": season}, TOKENS).html.decode()

    reader = _Nesting()
    reader.feed(page)
    assert reader.open == []
    assert '<html lang="en-GB"' in page
    assert all("alt" in one for one in reader.images)
    assert all(one["role"] == "presentation" for one in reader.tables)
    assert "prefers-color-scheme: dark" in page
    assert f'href="{SITE}/u/{WAY_OUT}"' in page
    assert "1 High Street, London" in page


def test_all_colours_can_be_read():
    """WCAG 2.2, 1.4.3, with the formula of relative luminance as it stands there."""

    def luminance(colour):
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for ink, ground in layout.PAIRS:
        light, dark = sorted((luminance(ink), luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)


marked = st.lists(
    st.one_of(st.sampled_from(["a line\n", "<p>", "=", ".", "", "\0", "a" * 90]), st.integers(0, 3))
)


@given(marked, marked, marked, texts, texts)
@settings(max_examples=80)
def test_both_ways_of_filling_in_make_the_same(subject, page, plain, name, plan):
    marks = Marks([Piece("print", one) for one in PRINTED])
    parts = [
        "".join(f"{OPEN}{one}{CLOSE}" if isinstance(one, int) else one for one in part)
        for part in (subject, page, plain)
    ]
    told = {"first_name": name, "name": name[::-1], "traits": {"plan": plan}}

    assert Fixed(*parts, marks).filled(told) == Flowing(*parts, marks).filled(told)
