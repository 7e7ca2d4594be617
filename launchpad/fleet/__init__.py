"""What should exist: names, secrets, hosts, apps, tiers, tenants; YAML in, YAML out.

Each room imports only from rooms above it.

words    names, quantities, references, secret; malformed, mistakes, nearest
model    fleet, host, app, tier, tenant, target, rollout, dns, recovery; variable, layout, versions, readiness; base
reading  snapshot, tree, validate, extend, parse, judge, slots_file
keeping  store, edit, images, revision, schema, scaffold; files, git, unstaged
sealing  age, keys, sealed_file, secret_store
"""
