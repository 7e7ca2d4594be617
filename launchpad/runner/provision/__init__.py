"""From a bare Debian 13 to a host that Launchpad may use, and back to that state after somebody changed it by hand."""
