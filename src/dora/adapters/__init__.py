"""The outside, one room each: adapters know the core, and are strangers to one another."""
