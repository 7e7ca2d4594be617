"""SSH to hosts: pinned connections, one exec for each request, many hosts at once. Import the modules late: they are
heavy."""
