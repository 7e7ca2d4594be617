"""Prune a host: remove what nothing needs.

steps.py     the steps
needed.py    what is still needed, read from the host alone
plan.py      chooses the steps
effects.py   runs the steps; each checks again what is needed
"""
