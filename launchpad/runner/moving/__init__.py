"""A tenant moves from one host to another: it departs here with a tombstone, and arrives there with a receipt.

Each tenant has an epoch, which a move raises by one. A host that wrote a tombstone never starts the tenant again unless
it comes back with a higher epoch; a host takes a tenant in only with a receipt of an epoch above every one that it has
heard of. So of two hosts at most one may run it, whatever dies in between.
"""
