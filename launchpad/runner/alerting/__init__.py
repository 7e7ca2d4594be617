"""Alerts: what of a host's facts a person is told, when, and by which way."""
