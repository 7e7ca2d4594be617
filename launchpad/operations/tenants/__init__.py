"""A tenant on its host: deploy, start, stop, restart, retire; and the plan and apply of the whole fleet."""
