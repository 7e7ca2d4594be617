"""What Launchpad does: one verb, one file. Each room (subpackage) imports only from rooms above it.

requests     what every verb uses: scope and observing (select tenants and hosts, and read their state), render,
             known_releases, identifiers, confirmation, reaching (connections), asking, following, absence (of a host),
             room (wait for a host's memory), outcome, history, likely_cause (of a failure), again (a repeated command)
dns          provider and hetzner (set the records), resolver and address (resolve names), point, astray
backups      backup, backups (list, verify), fetch, download, forget, rewrap, targets; kit, kit_page, open_kit, try_kit;
             backup_workspace, reseal; repositories, backup_keys, thinning_record, local_restic
hosts        provision, bootstrap, install_runner, trust, prune, operators, exposed; host_settings, log_authority,
             judged, confirming; doctor (the operator's own machine); maintain, host_health, maintenance_note,
             maintenance_silence (updates and reboots); upgrade_runners (in waves)
tenants      deploy, start, stop, restart, retire, act, open_tenant, remove_tenant, renumber, show_secret; plan_fleet,
             apply; written_version (a tenant's version in the inventory); smoke, visitor, ports (test from outside)
generations  generations (list), snapshot, restore, drop
moving       move, fence_move, finish_move, move_aside (for a maintenance), gameday, gameday_plan, free_slot (of a
             removed tenant); whereabouts, transfer (data from host to host)
versions     versions (list), upgrade, rollback, adopt, pin; registry, rehearsal_host (where an upgrade is rehearsed)
rollouts     rollout, rollouts (list and halt), take_back; waves, rollout_tenant (one tenant of a rollout)
importing    import_tenant, export; self_hosted (the machine that a tenant comes from)
observation  status, fleet_health, live_fleet (top), news, alerts, runbook, logs, host_log, log_order, diagnose,
             certificates, usage, metered, costs, metrics, attach, cancel; redaction, expecting; schedule, run_job
             (timed jobs on an operator's machine)
"""
