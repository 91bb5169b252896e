"""What templates may say, what they may not, and that none of them fails, runs long or reaches further."""

import time
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.campaigns.content import merge_fields
from apps.campaigns.content.sandbox import LONGEST_SOURCE, BadTemplate, check, compiled
from tests.campaigns.content.letters_of import TOKENS, filled, letter

KNOWN = merge_fields.names()
HOSTILE = [
    "{{ range(10**9) }}",
    "{{ 'x' * 10**9 }}",
    "{{ 10 ** 10 ** 10 }}",
    "{{ 1 + 1 }}",
    "{{ first_name.__class__.__mro__ }}",
    "{{ first_name['__class__'] }}",
    "{{ traits.__class__ }}",
    "{{ traits['__init__'] }}",
    "{{ first_name.upper() }}",
    "{{ traits.plan.format(1) }}",
    "{{ ''.join(['a']) }}",
    "{{ cycler('a') }}",
    "{{ lipsum(n=10000) }}",
    "{{ self }}",
    "{{ loop }}",
    "{{ caller() }}",
    "{{ joiner }}",
    "{{ namespace() }}",
    "{{ dict(a=1) }}",
    "{{ config }}",
    "{{ first_name | attr('__class__') }}",
    "{{ first_name | center(1000000000) }}",
    "{{ first_name | indent(1000000000) }}",
    "{{ first_name | replace('a', 'aaaaaaaa') }}",
    "{{ first_name | format }}",
    "{{ '%1000000000d' | format(1) }}",
    "{{ first_name | safe }}",
    "{{ first_name | tojson }}",
    "{{ first_name | xmlattr }}",
    "{{ first_name | map('upper') }}",
    "{{ first_name | default(value='x') }}",
    "{{ first_name | default(*traits) }}",
    "{{ first_name is string }}",
    "{{ first_name is divisibleby 3 }}",
    "{% for a in range(3) %}x{% endfor %}",
    "{% for a in traits.x recursive %}{{ loop(a) }}{% endfor %}",
    "{% for a, b in traits.x %}x{% endfor %}",
    "{% for a in traits.x %}{% for b in traits.x %}x{% endfor %}{% endfor %}",
    "{% for first_name in traits.x %}x{% endfor %}",
    "{% set x = 1 %}",
    "{% macro m() %}{% endmacro %}",
    "{% include 'x' %}",
    "{% import 'x' as y %}",
    "{% extends 'x' %}",
    "{% block x %}{% endblock %}",
    "{% filter upper %}x{% endfilter %}",
    "{% call first_name() %}{% endcall %}",
    "{% with x = 1 %}{% endwith %}",
    "{% autoescape false %}{{ first_name }}{% endautoescape %}",
    "{% raw %}{{ 1 }}{% endraw %}",
    "{{ traits[first_name] }}",
    "{{ traits.a[1:2] }}",
    "{{ {'a': 1} }}",
    "{{ last_nam }}",
    "{{ first_name ",
    "{% if first_name %}",
    "{% endif %}",
    "{{ }}",
    "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
    "{{ " + "not " * 2_000 + "first_name }}",
    "{{ " + "9" * 5_000 + " }}",
    "{{ 99999999999999999999 }}",
    "{{ first_name" + " | upper" * 200 + " }}",
    "{% if season %}" * 30 + "x" + "{% endif %}" * 30,
    "{{ first_name }}" * 4_000,
    "x" * (LONGEST_SOURCE + 1),
]


@pytest.mark.parametrize("source", HOSTILE, ids=lambda one: one[:40])
def test_what_is_not_on_the_list_is_refused(source):
    began = time.process_time()

    with pytest.raises(BadTemplate):
        letter(body=source)

    assert time.process_time() - began < 2


@pytest.mark.parametrize("part", ["subject", "preheader", "cta_label"])
def test_every_part_is_held_to_it(part):
    with pytest.raises(BadTemplate):
        letter(**{part: "{{ first_name.__class__ }}"})


@pytest.mark.parametrize(
    ("template", "values", "said"),
    [
        ("Hi {{ first_name }}", {"first_name": "Ada"}, "Hi Ada"),
        ("Hi {{ first_name }}", {}, "Hi there"),
        ("Hi {{ first_name | default('friend') }}", {}, "Hi friend"),
        ("Hi {{ first_name | default('friend') }}", {"first_name": ""}, "Hi friend"),
        ("Hi {{ first_name | default('friend') }}", {"first_name": "Ada"}, "Hi Ada"),
        ("Hi {{ first_name | upper | default('friend') }}", {}, "Hi friend"),
        ("Hi {{ first_name or 'you' }}", {}, "Hi you"),
        ("{{ first_name | upper }}", {"first_name": "Ada"}, "ADA"),
        ("Hi{% if first_name %} {{ first_name }}{% endif %}.", {}, "Hi."),
        ("Hi{% if first_name is defined %} {{ first_name }}{% endif %}.", {"first_name": "A"}, "Hi A."),
        ("{% if season == 'winter' %}snow{% else %}sun{% endif %}", {"season": "winter"}, "snow"),
        ("{% if season == 'winter' %}snow{% else %}sun{% endif %}", {}, "sun"),
        ("{{ 'soon' if days_to_wedding < 30 else 'later' }}", {"days_to_wedding": 7}, "soon"),
        ("{{ 'soon' if days_to_wedding < 30 else 'later' }}", {}, "later"),
        ("{{ 'soon' if 5 < days_to_wedding <= 30 else 'later' }}", {"days_to_wedding": 31}, "later"),
        ("{{ 'x' if traits.guests > 50 else 'y' }}", {"traits": {"guests": "many"}}, "y"),
        ("{{ 'x' if 'gold' in traits.plans else 'y' }}", {"traits": {"plans": ["gold"]}}, "x"),
        ("{{ 'x' if 'gold' in traits.plans else 'y' }}", {"traits": {"plans": 5}}, "y"),
        ("{{ 'x' if season not in ['winter', 'autumn'] else 'y' }}", {"season": "spring"}, "x"),
        ("{{ traits.items }}", {"traits": {"a": 1}}, ""),
        ("{{ traits.a.b }}", {"traits": {"a": {"b": "c"}}}, "c"),
        ("{{ traits['wedding day'] | default('one day') }}", {"traits": {}}, "one day"),
        ("{{ traits.list }}", {"traits": {"list": ["a", 1, True]}}, "a, 1, yes"),
        ("{% for one in traits.list %}{{ one }};{% endfor %}", {"traits": {"list": ["a", "b"]}}, "a;b;"),
        ("{% for one in traits.list %}x{% else %}none{% endfor %}", {"traits": {"list": 7}}, "none"),
        ("{{ traits.n | number }}", {"traits": {"n": 12345.6}}, "12,346"),
        ("{{ traits.n | number(2) }}", {"traits": {"n": "a lot"}}, "a lot"),
        ("{{ wedding_date | date }}", {"wedding_date": date(2027, 6, 12)}, "12 June 2027"),
        ("{{ traits.on | date('weekday') }}", {"traits": {"on": "2027-06-12"}}, "Saturday"),
        ("{{ traits.on | date('%9999999d') }}", {"traits": {"on": "2027-06-12"}}, "12 June 2027"),
        ("{{ traits.long | truncate(5) }}", {"traits": {"long": "abcdefgh"}}, "abcd…"),
        ("{{ first_name ~ '!' }}", {"first_name": "Ada"}, "Ada!"),
        ("{{ first_name }}", {"first_name": "*Ada* [x](https://a.example) {{ 7 * 7 }}"}, None),
        ("a {# not said #}b", {}, "a b"),
        ("{{ traits.n }} {{ traits.b }}", {"traits": {"n": 3.0, "b": False}}, "3 no"),
    ],
)
def test_what_templates_say(template, values, said):
    assert filled(template, **values) == (values["first_name"] if said is None else said)


def test_values_are_escaped_in_html_and_plain_in_text():
    rendered = letter(body="Hi {{ first_name }}").render({"first_name": '<b>"&'}, TOKENS)

    assert b"Hi &lt;b&gt;&#34;&amp;<" in rendered.html
    assert b'Hi <b>"&' in rendered.text


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(st.characters(), max_size=50),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
EVERYTHING = """{{ a.b.c[0] }}{{ a | upper }}{{ a | title }}{{ a | number(2) }}{{ a | date }}
{{ a | join('-') }}{{ a | first }}{{ a | last }}{{ a | length }}{{ a | truncate(3) }}{{ a | default('x') }}
{{ a | trim | lower }}
{{ a | capitalize }}{{ a ~ b }}{% if a < b %}1{% elif a >= b %}2{% endif %}{% if a in b %}3{% endif %}
{{ 1 if a == b else 2 }}{{ a != b }}{{ a not in b }}
{{ a and b or not a }}{{ a is defined }}{{ b is undefined }}
{% for one in a %}{{ one.x }}{{ one | date('short') }}{% else %}none{% endfor %}{{ 'y' if a }}"""


@given(a=json_values, b=json_values, name=json_values)
@settings(max_examples=60)
def test_no_value_makes_a_template_fail(a, b, name):
    source = EVERYTHING.replace("a ", "traits.a ").replace("a.b", "traits.a.b").replace(" b", " traits.b")
    check(source, KNOWN)
    values = {"first_name": name, "season": a, "traits": {"a": a, "b": b}}

    found = letter(subject="{{ first_name }} {{ season | upper }}", body=source).render(values, TOKENS)

    assert found.html.decode()
    assert found.text.decode()


@given(st.text("{}%#|()[]'\"., abiftrelsndofx_=<>~-+*1\n", max_size=80))
@settings(max_examples=300)
def test_whatever_is_typed_is_refused_or_works(source):
    try:
        made = letter(subject=source, body=source)
    except BadTemplate:
        return
    made.render({"first_name": "Ada"}, TOKENS)


def test_nothing_is_left_to_reach_for():
    template = compiled("{{ range }}{{ dict }}{{ lipsum }}{{ cycler }}")

    assert template.render() == ""


def test_the_longest_loops_stay_small():
    body = "{% for one in traits.x %}" + "{{ one }} {{ name }} " * 140 + "{% endfor %}"
    values = {"name": "x" * 5_000, "traits": {"x": ["y" * 5_000] * 5_000}}
    made = letter(body=body)

    began = time.process_time()
    found = made.render(values, TOKENS)

    assert len(found.html) < 6_000_000
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("Hello {{- first_name -}} again", "HelloAdaagain"),
        ("One {%- if first_name -%} two {%+ endif +%} three", "Onetwo three"),
        ("{{ first_name -}}\n\n{{- first_name }}", "AdaAda"),
    ],
)
def test_white_space_is_cut_where_a_template_says_so(template, said):
    assert filled(template, first_name="Ada") == said
    made = letter(subject="Dear {{- first_name -}} !").render({"first_name": "Ada"}, TOKENS)
    assert made.subject == "DearAda!"


def test_joined_values_read_as_they_do_alone():
    values = {"traits": {"a": "b"}, "wedding_date": date(2027, 6, 12)}
    assert filled("{{ first_name ~ traits ~ wedding_date }}", **values) == "there12 June 2027"
    assert len(filled("{{ traits.a ~ '!' }}", traits={"a": "x" * 5_000})) <= 1_001
