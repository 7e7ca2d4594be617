"""Archives of self-hosted apps: read and judged, recognised, and carried over into the form that a tenant has.

Nothing here unpacks an archive: it is read from its beginning to its end as often as that takes, and what comes along
is written into another tar, entry by entry, under names that Launchpad chose.
"""
