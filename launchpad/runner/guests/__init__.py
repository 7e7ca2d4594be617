"""A rehearsal or a drill for another host: its tenant's release is tried here on a copy of the data, or on a backup,
and removed completely.

A rehearsal starts before its data arrives and waits for it, so that its undo removes everything even if the operator or
the connection dies. A drill fetches the backup itself.

steps.py        the steps
plan.py         judges the request of a rehearsal and chooses the steps
drill_plan.py   the same for a drill
effects.py      runs the steps
"""
