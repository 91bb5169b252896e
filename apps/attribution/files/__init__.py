"""Files of touches and conversions, read without a database: journeys out."""
