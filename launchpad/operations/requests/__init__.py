"""What every verb uses: scopes, requests and their ids, connections to hosts, outcomes of operations."""
