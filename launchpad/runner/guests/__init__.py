"""A rehearsal for another host: its tenant's release is tried here on a copy of the data, and removed completely.

The operation starts before the data arrives and waits for it, so that its undo removes everything even if the operator
or the connection dies.

steps.py     the steps
plan.py      judges the request and chooses the steps
effects.py   runs the steps
"""
