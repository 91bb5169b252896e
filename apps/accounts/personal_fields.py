"""The sealed fields of a person: e-mail, phone and name, each under the person's own data key."""

import json
import re
import unicodedata
from collections.abc import Collection, Mapping
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator

from apps.accounts import sealing
from apps.accounts.errors import Invalid
from apps.accounts.models import Person

TABLE = "accounts_person"
FIELDS = ("email", "phone", "name")
INDEXED = ("email", "phone")
NAME_PARTS = ("name", "first_name", "last_name")
PERSONAL_TRAITS = ("email", "phone", *NAME_PARTS)
LONGEST_VALUE = 320
# What update_fields needs after set_personal.
COLUMNS = ("data_key", *(f"{field}_sealed" for field in FIELDS), *(f"{field}_index" for field in INDEXED))

check_email = EmailValidator()


def key_place(public_id: UUID | str) -> sealing.Place:
    return sealing.Place(TABLE, "data_key", public_id)


def set_personal(person: Person, given: Mapping[str, str | None]) -> None:
    """Seal personal traits into the person, unsaved; None takes one away. Makes the data key when it is the
    first.

    A name replaces its parts, and parts replace the whole name. Raises Invalid, with the traits named.
    """
    cleaned = {trait: _clean(trait, value) for trait, value in given.items()}
    for field in INDEXED:
        if field in cleaned:
            _put(person, field, cleaned[field])
            _index(person, field, cleaned[field])
    if parts := {trait: value for trait, value in cleaned.items() if trait in NAME_PARTS}:
        _put(person, "name", _name_with(_name_of(person, _key_of(person)), parts))


def personal(person: Person, fields: Collection[str] = FIELDS) -> dict[str, str | None]:
    """The opened fields: email, phone and name; first_name and last_name where they are known apart.

    fields: which of FIELDS; the others stay sealed and are not answered.
    """
    return opened(person.public_id, person.data_key, {field: _sealed(person, field) for field in fields})


def opened(
    public_id: UUID | str, data_key: bytes | memoryview | None, sealed: Mapping[str, bytes | None]
) -> dict[str, str | None]:
    """The same of a row that was read without its model: for many at once. sealed: by the name of the
    field.
    """
    row = str(public_id)
    key = None if data_key is None else sealing.DataKey.unwrap(bytes(data_key), key_place(row))
    texts = {field: _opened(row, field, value, key) for field, value in sealed.items()}
    found = {field: texts[field] for field in INDEXED if field in texts}
    if "name" not in texts:
        return found
    parts: dict[str, str] = json.loads(texts["name"]) if texts["name"] else {}
    joined = " ".join(parts[part] for part in ("first_name", "last_name") if part in parts)
    return found | {**parts, "name": parts.get("name") or joined or None}


def carry_over(source: Person, target: Person) -> bool:
    """Seal into the target, unsaved, what it lacks and the source knows. True when something was added."""
    missing = [
        field for field in FIELDS if _sealed(source, field) is not None and _sealed(target, field) is None
    ]
    key = _key_of(source)
    for field in missing:
        _put(target, field, _get(source, field, key))
        if field in INDEXED:
            setattr(target, f"{field}_index", getattr(source, f"{field}_index"))
    return bool(missing)


def index_of(workspace_id: int, field: str, value: str) -> bytes:
    """The blind index under which a value in any spelling is found. Raises Invalid for what cannot be one."""
    return sealing.blind_index(workspace_id, field, NORMALISE[field](_clean(field, value) or ""))


def normal_email(value: str) -> str:
    return unicodedata.normalize("NFKC", value).strip().lower()


def normal_phone(value: str) -> str:
    """Digits, after a + where the number says its country (+44… or 0044…). A national number stays national:
    which country it belongs to is not known here, so 020… and +4420… are two values."""
    text = unicodedata.normalize("NFKC", value).strip()
    digits = re.sub(r"\D", "", text)
    if text.startswith("+"):
        return f"+{digits}"
    return f"+{digits[2:]}" if digits.startswith("00") else digits


NORMALISE = {"email": normal_email, "phone": normal_phone}


def _clean(trait: str, value: str | None) -> str | None:
    if value is None:
        return None
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > LONGEST_VALUE or "\0" in text or not _is_encodable(text):
        raise Invalid({f"traits.{trait}": [f"Give a text of 1 to {LONGEST_VALUE} characters, or null."]})
    if trait == "email":
        try:
            check_email(normal_email(text))
        except ValidationError as error:
            raise Invalid({"traits.email": ["This is not an e-mail address."]}) from error
    if trait == "phone" and not 4 <= len(normal_phone(text).lstrip("+")) <= 15:
        raise Invalid({"traits.phone": ["A phone number has 4 to 15 digits."]})
    return text


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _name_with(known: dict[str, str], given: Mapping[str, str | None]) -> str | None:
    if given.get("name"):
        known = {}
    elif given.get("first_name") or given.get("last_name"):
        known = {part: text for part, text in known.items() if part != "name"}
    told = {part: text for part, text in {**known, **given}.items() if text}
    return json.dumps(told, ensure_ascii=False) if told else None


def _name_of(person: Person, key: sealing.DataKey | None) -> dict[str, str]:
    text = _get(person, "name", key)
    return json.loads(text) if text else {}


def _index(person: Person, field: str, value: str | None) -> None:
    index = None if value is None else index_of(person.workspace_id, field, value)
    setattr(person, f"{field}_index", index)


def _sealed(person: Person, field: str) -> bytes | None:
    return getattr(person, f"{field}_sealed")


def _key_of(person: Person) -> sealing.DataKey | None:
    return (
        None
        if person.data_key is None
        else sealing.DataKey.unwrap(bytes(person.data_key), key_place(person.public_id))
    )


def _get(person: Person, field: str, key: sealing.DataKey | None) -> str | None:
    return _opened(person.public_id, field, _sealed(person, field), key)


def _opened(row: UUID | str, field: str, sealed: bytes | None, key: sealing.DataKey | None) -> str | None:
    if sealed is None or key is None:
        return None
    return key.open(sealed, sealing.Place(TABLE, field, row))


def _put(person: Person, field: str, text: str | None) -> None:
    if text is None:
        setattr(person, f"{field}_sealed", None)
        return
    key = _key_of(person)
    if key is None:
        key = sealing.DataKey.new()
        person.data_key = key.wrap(key_place(person.public_id))
    setattr(person, f"{field}_sealed", key.seal(text, sealing.Place(TABLE, field, person.public_id)))
