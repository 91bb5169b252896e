"""E-mail providers and SMTP."""
