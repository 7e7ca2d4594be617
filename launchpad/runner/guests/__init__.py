"""A rehearsal for another host: its tenant's release is tried here on a copy of its data, and nothing of it stays.

The operation is there before the data is, and waits for it: so whatever dies, somebody is left who takes it all away.

steps.py     what there is to do
plan.py      judges the request and chooses the steps
effects.py   carries them out
"""
