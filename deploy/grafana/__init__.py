"""The dashboards, and what writes them."""
