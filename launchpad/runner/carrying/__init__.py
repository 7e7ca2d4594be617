"""A tenant's data on its way off a host and onto one: packed and unpacked in the sandbox, as the tenant's own uid.

`packing`, `saying` and `unpacking` run in there; the verbs `send` and `receive` judge what is asked and pass the pieces
on.
"""
