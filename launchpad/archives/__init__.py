"""Archives of self-hosted apps: judge an archive, recognise its layout, and convert it to a tenant's data.

No archive is unpacked here: it is read from beginning to end as often as needed, and the kept entries are written to
another tar under names that Launchpad chooses.
"""
