"""Tenants' logs on their way to the fleet's collector, without known secrets.

log_collector     where the logs go: a part of a host's settings
host_certificate  the host's own certificate for that, sealed
export_format     a line as an entry of systemd's journal export format
upload            one upload to the collector, over TLS
remote_journal    the collector's journals
receiver          accepts uploads on the collector
shipped           how far the collector has the lines: the place is kept over restarts
unit_end          when the shipper or the receiver ends
shipper           reads every tenant's lines and uploads them
"""
