"""From the fleet to text: Compose, Caddy, and the release that names them. Pure but for reading the templates."""
