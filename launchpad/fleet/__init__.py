"""What should exist: names, secrets, hosts, apps, tiers, tenants; YAML in, YAML out."""
