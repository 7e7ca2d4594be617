"""What outside use found and a host has no part in; tests/lab/outside has what needs one."""
