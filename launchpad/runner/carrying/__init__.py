"""Move a tenant's data off a host and onto a host: packed and unpacked in the sandbox with the tenant's uid.

`packing`, `saying` and `unpacking` run in the sandbox; the verbs `send` and `receive` judge the request and forward the
pieces.
"""
