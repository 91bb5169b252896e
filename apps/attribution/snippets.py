"""A few lines to copy that send the first touch and the first conversion."""

import json
from dataclasses import dataclass
from typing import Any

PLACEHOLDER = "bw_YOUR_KEY"


@dataclass(frozen=True)
class Snippet:
    id: str
    language: str
    code: str


def of_touch(address: str) -> list[Snippet]:
    record = {
        "user_id": "user_123",
        "event_type": "click",
        "platform": "meta",
        "campaign_id": "spring",
    }
    return _in_all("touch", address, record)


def of_conversion(address: str, *, currency: str) -> list[Snippet]:
    record = {
        "user_id": "user_123",
        "conversion_type": "purchase",
        "revenue": "99.99",
        "currency": currency,
        "order_id": "A-1001",
    }
    return _in_all("conversion", address, record)


def _in_all(name: str, address: str, record: dict[str, Any]) -> list[Snippet]:
    return [
        Snippet(f"{name}-curl", "curl", _curl(address, record)),
        Snippet(f"{name}-javascript", "JavaScript (Node)", _javascript(address, record)),
        Snippet(f"{name}-python", "Python", _python(address, record)),
    ]


def _curl(address: str, record: dict[str, Any]) -> str:
    return (
        f"curl {address} \\\n"
        f"  -H 'Authorization: Bearer {PLACEHOLDER}' \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        f"  -d '{json.dumps(record)}'"
    )


def _javascript(address: str, record: dict[str, Any]) -> str:
    fields = "".join(f"    {name}: {json.dumps(value)},\n" for name, value in record.items())
    return (
        f'await fetch("{address}", {{\n'
        '  method: "POST",\n'
        f'  headers: {{ Authorization: "Bearer {PLACEHOLDER}", "Content-Type": "application/json" }},\n'
        "  body: JSON.stringify({\n"
        f"{fields}"
        "  }),\n"
        "});"
    )


def _python(address: str, record: dict[str, Any]) -> str:
    fields = "".join(f'    "{name}": {json.dumps(value)},\n' for name, value in record.items())
    return (
        "import json\nfrom urllib.request import Request, urlopen\n\n"
        f"record = {{\n{fields}}}\n"
        f'headers = {{"Authorization": "Bearer {PLACEHOLDER}", "Content-Type": "application/json"}}\n'
        f'urlopen(Request("{address}", json.dumps(record).encode(), headers))'
    )
