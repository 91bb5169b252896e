"""Social networks: publish, and read what came of it."""
