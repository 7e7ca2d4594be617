"""Moves of a tenant between hosts: the old host writes a tombstone, the new host requires it as a receipt.

Each tenant has an epoch, which every move raises by one. A host with a tombstone never starts the tenant again, unless
the tenant comes back with a higher epoch. A host accepts a tenant only with a receipt whose epoch is higher than every
epoch that the host has seen. So at most one of two hosts may run the tenant, even after a crash.
"""
