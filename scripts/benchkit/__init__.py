"""What scripts/bench measures with: real sshds on loopback, a slow link, and the same work done by others."""
