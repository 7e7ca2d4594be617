"""From the fleet to text: Compose, Caddy, and the release that names them. Pure but for reading the templates."""

from __future__ import annotations

from launchpad.render.caddyfile import render_caddyfile
from launchpad.render.release import Rendered, render_release
from launchpad.render.templates import TemplateSource

__all__ = ["Rendered", "TemplateSource", "render_caddyfile", "render_release"]
