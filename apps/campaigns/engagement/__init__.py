"""What is heard of messages: delivered, opened, clicked, bounced, complained, unsubscribed.

recording.py keeps it, once and set-wise; following.py is the door of links and pictures; settling.py tells
people from machines and hands clicks to attribution.
"""

from apps.campaigns.engagement.recording import Heard, Recorded, record

__all__ = ["Heard", "Recorded", "record"]
