"""The inventory: names, secrets, hosts, apps, tiers and tenants, read from YAML and written to YAML.

Each room imports only from rooms above it.

words    names, quantities, references, secret; malformed, mistakes, nearest
model    fleet, host, app, tier, tenant, target, rings, peers, dns, alert, recovery; variable, layout,
         version_order, readiness; base
reading  inventory_files, tree, validate, extend, parse, judge, one_collector, slots_file
keeping  store, edit, image_places, revision, schema, scaffold; workspace_files, git, unstaged
sealing  age, keys, sealed_file, secret_store

model has maintenance, too: when hosts may be maintained, and who tells customers.
"""
