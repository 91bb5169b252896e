"""What things may be called: one line that can be seen, and that reads as it is written.

A name stands in lists, in subjects of confirmations and in reports: a line break would begin another header
there, an order to write from right to left would have it read as another, and one of nothing but joiners is
none.
"""

import unicodedata

FAULT = "Give it a name of one line, in characters that can be seen."
# Orders of direction that reach beyond themselves: embeddings, overrides and isolates.
ORDERS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
BREAKS = {"Cc", "Zl", "Zp"}


def is_name(text: str) -> bool:
    kinds = [unicodedata.category(one) for one in text]
    is_seen = any(kind[0] in "LNPS" for kind in kinds)
    return is_seen and not BREAKS.intersection(kinds) and not ORDERS.intersection(text)
