"""Exact DORA primitives from deployments, pull requests, pushes and incidents."""
