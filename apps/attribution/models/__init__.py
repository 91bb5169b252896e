"""What attribution keeps, one file an aggregate."""

from apps.attribution.models.channel import Channel, ChannelRule, Source, Spend
from apps.attribution.models.conversion import Conversion, ConversionRecord
from apps.attribution.models.file_import import FileImport, RejectedRow
from apps.attribution.models.run import Credit, MarkovTransition, ModelRun
from apps.attribution.models.touchpoint import Touchpoint

__all__ = [
    "Channel",
    "ChannelRule",
    "Conversion",
    "ConversionRecord",
    "Credit",
    "FileImport",
    "MarkovTransition",
    "ModelRun",
    "RejectedRow",
    "Source",
    "Spend",
    "Touchpoint",
]
