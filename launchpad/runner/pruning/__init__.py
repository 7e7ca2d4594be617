"""Housekeeping of a host: what nothing needs any more goes.

steps.py     what there is to do
needed.py    what something still needs, read from the host alone
plan.py      which steps a host takes now
effects.py   carries them out, looking again before each
"""
