"""Whom to write to: rules over all that is known of people, and lists that are brought as files.

A rule tree (tree.py) reads strictly, tells itself in a sentence, and becomes one SELECT of people. Fields
over what lower floors know are registered (fields.py); what has no source yet is listed with the reason.
Nobody is sent anything here.
"""

from apps.campaigns.audiences.fields import Field, register_field
from apps.campaigns.audiences.question import Question
from apps.campaigns.audiences.selecting import people_sql

__all__ = ["Field", "Question", "people_sql", "register_field"]
