"""Maintain this host: install Debian's and Docker's updates, and reboot when an update asks for a reboot.

`plan.py` decides, `steps.py` is data, `effects.py` acts. Updates and the reboot are two operations, because only the
installed updates tell whether a reboot is pending.
"""
