"""The parts of a fleet: hosts, apps, tiers, tenants, targets. All records are frozen, and no file is read."""
