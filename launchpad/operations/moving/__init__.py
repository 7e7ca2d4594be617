"""A tenant moves to another host, with its data."""
