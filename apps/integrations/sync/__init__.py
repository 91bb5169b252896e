"""Records of customer systems and ours, kept in step: pulled page by page, merged field by field against what
both sides last agreed on, and pushed through the outbox.

Every change of a record is a step in its trail, from which the record can be rebuilt. What two sides disagree
on and no policy decides waits for a person. Nothing here knows any system; connectors/crm does.
"""
