"""What each verb is asked and answers: one record for a request's body, one for its reply, imported by both sides.

`body.py` has the rule; the other files have the records, by subject. A later change is a new record, or a field with a
default.
"""
