"""AES-256-GCM for personal fields: a data key per row's owner, itself sealed by a master key; and blind
indexes to find by.

Every sealed text is bound to its place (table, field, row, key): moved anywhere else, it does not open.
Deleting the data key erases whatever it sealed, also in old copies of the field. Master keys are
settings.SEALING_KEYS, "key-id:base64 of 32 bytes" each: the first seals, all of them open, so that keys can
be exchanged while the product runs (key_rotation.py).
"""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from apps.accounts.errors import DomainError

VERSION = 1
KEY_BYTES = 32
NONCE_BYTES = 12
INDEX_BYTES = 16
LONGEST_KEY_ID = 32


class KeyMissing(DomainError):
    """Sealed under a master key that SEALING_KEYS no longer (or not yet) lists."""

    code = "sealing_key_missing"
    status = 500


class KeyUnusable(DomainError):
    """SEALING_KEYS itself cannot be read."""

    code = "sealing_key_unusable"
    status = 500


class SealBroken(DomainError):
    """Changed, cut short, sealed under another key, or moved here from another row or field."""

    code = "seal_broken"
    status = 500


@dataclass(frozen=True)
class Place:
    """Where a sealed value lives. pk: the row's public id, which exists before the row does, or its text."""

    table: str
    field: str
    pk: UUID | str

    def bound_to(self, key_id: str) -> bytes:
        return f"{self.table}:{self.field}:{self.pk}:{key_id}".encode()


@dataclass(frozen=True, repr=False)
class MasterKey:
    id: str
    secret: bytes

    @cached_property
    def cipher(self) -> AESGCM:
        return AESGCM(self.secret)


class DataKey:
    """The key of one owner's fields."""

    def __init__(self, secret: bytes) -> None:
        self._secret, self._cipher = secret, AESGCM(secret)
        # Names the key in what it seals, so that a text sealed under a former key of the same row is told
        # apart.
        self._id = hashlib.sha256(b"data-key-id" + secret).hexdigest()[:16]

    @classmethod
    def new(cls) -> "DataKey":
        return cls(os.urandom(KEY_BYTES))

    def seal(self, text: str, place: Place) -> bytes:
        """Version byte, nonce, AES-256-GCM of the text with its tag."""
        nonce = os.urandom(NONCE_BYTES)
        return bytes([VERSION]) + nonce + self._cipher.encrypt(nonce, text.encode(), place.bound_to(self._id))

    def open(self, sealed: bytes, place: Place) -> str:
        """The text. Raises SealBroken."""
        sealed = bytes(sealed)
        if sealed[:1] != bytes([VERSION]):
            raise _broken(place)
        return _decrypt(self._cipher, sealed[1:], place, self._id).decode()

    def wrap(self, place: Place) -> bytes:
        """This key, sealed by the first master key: version, length of the key's id, the id, nonce,
        ciphertext.
        """
        master = ring()[0]
        nonce = os.urandom(NONCE_BYTES)
        bound = place.bound_to(master.id)
        return wrapped_prefix(master.id) + nonce + master.cipher.encrypt(nonce, self._secret, bound)

    @classmethod
    def unwrap(cls, wrapped: bytes, place: Place) -> "DataKey":
        """Raises KeyMissing, naming the master key, or SealBroken."""
        wrapped = bytes(wrapped)
        key_id = master_key_id(wrapped)
        master = next((key for key in ring() if key.id == key_id), None)
        if master is None:
            raise KeyMissing(
                f"The master key {key_id!r} is not in SEALING_KEYS and is needed. Put it back at the end."
            )
        body = wrapped[len(wrapped_prefix(key_id)) :]
        return cls(_decrypt(master.cipher, body, place, key_id))


def wrapped_prefix(key_id: str) -> bytes:
    """What every data key sealed by that master key begins with."""
    name = key_id.encode()
    return bytes([VERSION, len(name)]) + name


def master_key_id(wrapped: bytes) -> str:
    """The id of the master key that sealed a data key. Raises SealBroken for what is none."""
    length = wrapped[1] if len(wrapped) > 1 else 0
    if wrapped[:1] != bytes([VERSION]) or len(wrapped) != 2 + length + NONCE_BYTES + KEY_BYTES + 16:
        raise SealBroken("A sealed data key is damaged. Restore the row from a backup.")
    return wrapped[2 : 2 + length].decode(errors="replace")


def blind_index(workspace_id: int, field: str, normalised: str) -> bytes:
    """16 bytes that are equal where the value is: in one workspace and one field, and nowhere else.

    HMAC-SHA256 under BLIND_INDEX_KEY. Only for what has too many possible values to try out: e-mail and
    phone.
    """
    message = f"{workspace_id}\0{field}\0{normalised}".encode()
    return hmac.digest(settings.BLIND_INDEX_KEY.encode(), message, "sha256")[:INDEX_BYTES]


def ring() -> tuple[MasterKey, ...]:
    """The master keys, the sealing one first. Raises KeyUnusable."""
    return _ring(tuple(settings.SEALING_KEYS))


def faults(entries: list[str]) -> Iterator[str]:
    """What is wrong with a list of master keys, in words, without telling any secret."""
    if not entries:
        yield "SEALING_KEYS is empty: make a key with `manage.py sealing new-key`."
    seen_ids, seen_secrets = set[str](), set[bytes]()
    for position, entry in enumerate(entries, start=1):
        try:
            key = _parse(entry)
        except ValueError as error:
            yield f"Key {position} of SEALING_KEYS {error}."
            continue
        if key.id in seen_ids:
            yield f"SEALING_KEYS lists the key id {key.id!r} twice: what one of them sealed cannot be opened."
        if key.secret in seen_secrets:
            yield f"Key {key.id!r} of SEALING_KEYS repeats the bytes of another key."
        # 32 random bytes hold 30 distinct ones on average and fewer than 22 once in ten million keys.
        if len(set(key.secret)) < 22 or key.secret.isascii():
            yield f"Key {key.id!r} of SEALING_KEYS is not random: make one with `manage.py sealing new-key`."
        seen_ids.add(key.id)
        seen_secrets.add(key.secret)


def new_key(key_id: str) -> str:
    """A fresh entry for SEALING_KEYS. Raises ValueError for an id that cannot be used."""
    if not _is_key_id(key_id):
        raise ValueError(f"The id of a key is 1 to {LONGEST_KEY_ID} letters, digits and dashes.")
    return f"{key_id}:{base64.b64encode(os.urandom(KEY_BYTES)).decode()}"


@lru_cache(maxsize=8)
def _ring(entries: tuple[str, ...]) -> tuple[MasterKey, ...]:
    try:
        keys = tuple(_parse(entry) for entry in entries)
    except ValueError as error:
        raise KeyUnusable(f"A key of SEALING_KEYS {error}.") from error
    if not keys or len({key.id for key in keys}) != len(keys):
        raise KeyUnusable("SEALING_KEYS needs at least one key, and each key id once.")
    return keys


def _parse(entry: str) -> MasterKey:
    key_id, colon, encoded = entry.strip().partition(":")
    if not colon:
        raise ValueError('is not "key-id:base64"')
    if not _is_key_id(key_id):
        raise ValueError(f"has an id that is not 1 to {LONGEST_KEY_ID} letters, digits and dashes")
    try:
        secret = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError("is not base64 after its id") from error
    if len(secret) != KEY_BYTES:
        raise ValueError(f"has {len(secret)} bytes instead of {KEY_BYTES}")
    return MasterKey(key_id, secret)


def _is_key_id(text: str) -> bool:
    return len(text) <= LONGEST_KEY_ID and text.isascii() and text.replace("-", "").isalnum()


def _decrypt(cipher: AESGCM, body: bytes, place: Place, key_id: str) -> bytes:
    try:
        return cipher.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], place.bound_to(key_id))
    except (InvalidTag, ValueError) as error:
        raise _broken(place) from error


def _broken(place: Place) -> SealBroken:
    return SealBroken(
        f"{place.table}.{place.field} of {place.pk} does not open: it was changed or moved here."
    )
