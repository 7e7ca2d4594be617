"""A tenant on its host: deploy, start, stop, restart, retire; and the plan that brings the fleet to the inventory."""
