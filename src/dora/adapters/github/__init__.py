"""GitHub: its webhooks in, its API out."""
