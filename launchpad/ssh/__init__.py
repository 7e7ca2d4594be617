"""Reaching hosts: a pinned connection, one exec a request, many hosts at once. Import its modules: they are heavy."""
