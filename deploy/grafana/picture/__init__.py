"""The dashboards' pictures."""
