"""The record of operations as the operator sees it: read from the hosts, and what of it was not reported yet."""
