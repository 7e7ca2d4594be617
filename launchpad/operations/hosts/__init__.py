"""Hosts: provision a host, install its runner, prune it; and the operators who may log in."""
