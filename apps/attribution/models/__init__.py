"""What attribution keeps, one file an aggregate."""

from apps.attribution.models.accuracy import AccuracyNight, ModelAccuracy
from apps.attribution.models.channel import Channel, ChannelRule, Source, Spend
from apps.attribution.models.conversion import Conversion, ConversionRecord
from apps.attribution.models.conversion_model import (
    ConversionModel,
    ConversionWeight,
    DriftCheck,
    Recalibration,
)
from apps.attribution.models.dead_letter import DeadLetter, Door, IntakeCount, Reason
from apps.attribution.models.experiment import Allocation, Experiment, Exposure, Look, Variant
from apps.attribution.models.file_import import FileImport
from apps.attribution.models.goal import Goal
from apps.attribution.models.journey_book import (
    AskedQuestion,
    BookDay,
    BookedPeople,
    JourneyBook,
    StalePerson,
)
from apps.attribution.models.lift_test import LiftTest, LiftTestCredit, RegionDay
from apps.attribution.models.night_check import NightCheck
from apps.attribution.models.rule_version import RuleVersion
from apps.attribution.models.run import Credit, CreditErrors, MarkovTransition, ModelRun
from apps.attribution.models.touchpoint import Touchpoint

__all__ = [
    "AccuracyNight",
    "Allocation",
    "AskedQuestion",
    "BookDay",
    "BookedPeople",
    "Channel",
    "ChannelRule",
    "Conversion",
    "ConversionModel",
    "ConversionRecord",
    "ConversionWeight",
    "Credit",
    "CreditErrors",
    "DeadLetter",
    "Door",
    "DriftCheck",
    "Experiment",
    "Exposure",
    "FileImport",
    "Goal",
    "IntakeCount",
    "JourneyBook",
    "LiftTest",
    "LiftTestCredit",
    "Look",
    "MarkovTransition",
    "ModelAccuracy",
    "ModelRun",
    "NightCheck",
    "Reason",
    "Recalibration",
    "RegionDay",
    "RuleVersion",
    "Source",
    "Spend",
    "StalePerson",
    "Touchpoint",
    "Variant",
]
