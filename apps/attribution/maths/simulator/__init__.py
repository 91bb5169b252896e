"""A software company with wedding suppliers as customers, whose every channel has a known effect.

Pure and seeded; knows no attribution model, so that its truth can judge them all. What it draws: latent
intent that drives brand search, retargeting and sign-ups alike (confounding), an effect that halves half-way
(drift), wedding seasons, several devices per person, and events that come late, twice or from wrong clocks.
What it does not: databases, requests, or the channel rules, which see only what a tracker would.
"""

from .company import Company, simulate, simulate_in_chunks
from .conversions import CONVERSION_TYPES, RECORD_KINDS, Conversions
from .deliveries import Deliveries
from .market import Campaign, Channel, Market
from .outcomes import Truth
from .people import CATEGORIES, DEVICE_KINDS, PRICES_MINOR, REGIONS, Devices, People
from .touches import EVENT_TYPES, NO_DEVICE, Touches
from .wedding import WEDDING_SUPPLIERS

__all__ = [
    "CATEGORIES",
    "CONVERSION_TYPES",
    "DEVICE_KINDS",
    "EVENT_TYPES",
    "NO_DEVICE",
    "PRICES_MINOR",
    "RECORD_KINDS",
    "REGIONS",
    "WEDDING_SUPPLIERS",
    "Campaign",
    "Channel",
    "Company",
    "Conversions",
    "Deliveries",
    "Devices",
    "Market",
    "People",
    "Touches",
    "Truth",
    "simulate",
    "simulate_in_chunks",
]
