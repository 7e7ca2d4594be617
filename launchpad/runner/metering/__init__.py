"""Usage of each tenant by the hour, and Prometheus metrics of the host and its tenants.

counters     what the kernel counts: CPU time of a container, bytes of a bridge
usage_log    the files of usage by the hour, one a month
meter        adds up what the counters gained, for the check of the room
metric_list  every metric: name, type, help
exposition   the host's metrics in Prometheus' text format
"""
