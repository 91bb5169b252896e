"""What devices did while they had no network: taken in batches, in any order, as often as it comes."""

from apps.campaigns.offline import consent_words, edited, heard, profile_fields, tracked

__all__ = ["consent_words", "edited", "heard", "profile_fields", "tracked"]
