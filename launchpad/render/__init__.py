"""Render the fleet to text: Compose, Caddy, and the release that names them. Pure, except for reading templates."""
