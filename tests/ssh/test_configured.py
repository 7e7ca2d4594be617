"""What an SSH client's own configuration says about the way to a host."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.ssh.configured import way_to
from launchpad.ssh.endpoint import Endpoint


@pytest.mark.programs
def test_a_percent_sign_that_is_doubled_is_one_and_begins_no_token(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host far\n HostName 192.0.2.7\n ProxyCommand relay %%h %h:%p %r\n")
    way = way_to(Endpoint(host="far", address="far", ssh_config=config))
    assert way.through == ("/bin/sh", "-c", "exec relay %h 192.0.2.7:22 launchpad")
