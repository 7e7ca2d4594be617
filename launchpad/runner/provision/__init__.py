"""Provision: turn a bare Debian 13 into a Launchpad host, and restore that state after manual changes."""
