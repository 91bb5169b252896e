"""What a campaign says: its templates, how they are laid out and filled in, checked, written by a model or by
rules, and what each variant may come to.
"""

from apps.campaigns.content.checks import faults
from apps.campaigns.content.compiling import Compiled, compiled
from apps.campaigns.content.faults import Fault
from apps.campaigns.content.letters import Rendered
from apps.campaigns.content.merge_fields import Known, columns, known, values_in, values_of

__all__ = [
    "Compiled",
    "Fault",
    "Known",
    "Rendered",
    "columns",
    "compiled",
    "faults",
    "known",
    "values_in",
    "values_of",
]
