"""What a fleet consists of: hosts, apps, tiers, tenants, targets; frozen, and no file is read."""
