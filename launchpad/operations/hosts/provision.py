"""provision: turn a bare Debian 13 into a host; a second run restores what drifted.

A host that accepts the operators' user is provisioned already: Launchpad updates its runner, asks the runner for the
plan, and sends the settings, signed when they change. A host that rejects the operators' user is bare: root installs
the runner in one exec and sends the same request on the same standard input. In both cases the host asks for a new
connection that confirms that the change locks nobody out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from launchpad.errors import HostError, StateError
from launchpad.events import OnEvent, ignore
from launchpad.fleet.model.host import Host
from launchpad.operations.hosts.bootstrap import Bare, EarlierEnded, bootstrap, plan_bare
from launchpad.operations.hosts.confirming import answering
from launchpad.operations.hosts.host_settings import host_credentials, host_settings, signer
from launchpad.operations.hosts.install_runner import bring_runner_up_to_date, look_at, settings_digest
from launchpad.operations.hosts.trust import Offer, trust
from launchpad.operations.requests.again import Wish, come_back, find
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.following import Submission, submit
from launchpad.operations.requests.identifiers import new_identifier
from launchpad.operations.requests.outcome import Outcome
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.protocol import canonical, digest_of, record_as_json
from launchpad.runner.wire.host_bodies import Plan, PlanReply, StepOutline
from launchpad.ssh.problems import HostKeyUnknown, LoginRefused, if_never_provisioned
from launchpad.workspace import Runner, Workspace

CHANGES_SETTINGS = "record-settings"
"""The step in a plan that shows that the settings differ from the host's settings."""
SETTINGS_NAMESPACE = "launchpad-settings"

Result = TypeVar("Result")
Confirmer = Callable[[Offer], bool]
"""Asks the operator whether this is the host's key."""


def nobody(_offer: Offer) -> bool:
    """No operator can be asked: an unknown key is an error."""
    return False


@dataclass(frozen=True, kw_only=True)
class HowToProvision:
    """How to make the first contact; the defaults fit a new VPS of most providers."""

    identifier: str = ""
    root_user: str = "root"
    """The user that logs in to a bare host; a user other than root needs passwordless sudo."""
    root_key: Path | None = None
    """The private key for that login; None: the operator's own keys."""
    confirm_key: Confirmer = nobody
    bare: bool = True
    """Whether root provisions a host that rejects the operators' user; otherwise the rejection is an error."""
    update_runner: bool = True
    """Whether the host gets this installation's runner first. Without, the host's own runner plans."""


@dataclass(frozen=True, kw_only=True)
class ProvisionPlan:
    """What a provision would do."""

    host: str
    bare: bool
    steps: tuple[StepOutline, ...]
    """Empty when there is nothing to do."""
    diffs: tuple[str, ...]
    """A unified diff for each file that would change."""

    def as_json(self) -> dict[str, Any]:
        steps = [record_as_json(step) for step in self.steps]
        return {"host": self.host, "bare": self.bare, "steps": steps, "diffs": list(self.diffs)}


def provision(
    workspace: Workspace, name: str, *, how: HowToProvision | None = None, on_event: OnEvent = ignore
) -> Outcome:
    """Set the host up as the inventory describes it. A provision that this checkout started earlier and that is still
    running is followed, and confirmed when it waits for a confirmation. Errors as of `following.submit`; HostKeyUnknown
    when nobody confirms the host's key at the first contact."""
    how = how or HowToProvision()
    host, settings = _what(workspace, name, how)
    identifier = how.identifier or new_identifier(workspace.clock.now())
    operation: dict[str, Any] = {"kind": "provision", "settings": settings}
    secrets: dict[str, dict[str, Any]] = {}
    wish = Wish(kind="provision", tenant="", host=name)
    hear = answering(hosts_of(workspace), host, on_event)
    try:
        begun = _known(
            workspace, host, how, lambda: find(workspace, wish, identifier=how.identifier, on_event=on_event)
        )
        if begun is not None:
            return come_back(workspace, begun, on_event=hear)
        found = _known(workspace, host, how, lambda: _installed(workspace, host, operation, how))
    except LoginRefused as refused:
        if not how.bare:
            raise
        bare = _bare(host, how, refused)
        secrets = host_credentials(workspace, workspace.fleet.load(), name)
        submission = Submission(identifier=identifier, operation=operation, secrets=lambda: secrets, wish=wish.words)
        try:
            return bootstrap(workspace, bare, submission, on_event=on_event)
        except EarlierEnded:
            return provision(workspace, name, how=how, on_event=on_event)
    if not found.steps:
        return Outcome(host=name, tenant="", id="", kind="provision", outcome="unchanged", message="nothing is to do")
    if found.settings_digest is not None:
        secrets = host_credentials(workspace, workspace.fleet.load(), name)
        operation["signature"] = _signature(workspace, settings, secrets, replaces=found.settings_digest)
    submission = Submission(identifier=identifier, operation=operation, secrets=lambda: secrets, wish=wish.words)
    return submit(workspace, host, submission, on_event=hear)


def plan_provision(workspace: Workspace, name: str, *, how: HowToProvision | None = None) -> ProvisionPlan:
    """The plan of `provision`, with diffs; nothing is changed, not even on a bare host."""
    how = how or HowToProvision()
    host, settings = _what(workspace, name, how)
    operation = {"kind": "provision", "settings": settings}
    bare = False
    try:
        said = _known(workspace, host, how, lambda: _planned(workspace, host, operation))
    except LoginRefused as refused:
        said = plan_bare(workspace, _bare(host, how, refused), operation)
        bare = True
    return ProvisionPlan(host=name, bare=bare, steps=said.steps, diffs=said.diffs)


def _bare(host: Host, how: HowToProvision, refused: LoginRefused) -> Bare:
    """The host before its first provision."""
    return Bare(host=host, user=how.root_user, key=how.root_key, refused=refused)


@dataclass(frozen=True)
class _Found:
    steps: Sequence[StepOutline]
    settings_digest: str | None
    """Of the host's present settings; None when no step changes the settings."""


def _what(workspace: Workspace, name: str, how: HowToProvision) -> tuple[Host, dict[str, Any]]:
    """The host and its settings. StateError when the provision would shut out who asks."""
    fleet = workspace.fleet.load()
    host = fleet.host(name)
    if how.root_user not in ("root", *map(str, host.admins)):
        raise StateError(
            f"{host.name}: the provision would remove the sudo rights and SSH keys of {how.root_user}, who is not in "
            "admins:",
            code="provision-removes-own-access",
            hint=f"write admins: [{how.root_user}] under {host.name} in inventory/hosts.yaml, or log in as root",
        )
    return host, host_settings(workspace, fleet, host)


def _known(workspace: Workspace, host: Host, how: HowToProvision, work: Callable[[], Result]) -> Result:
    """Run the work over a connection to a host whose key is known or was just confirmed."""
    try:
        return work()
    except HostKeyUnknown as error:
        if error.key is None:
            raise
        offer = Offer(str(host.name), str(host.address), host.port, error.key, known=False)
        if not how.confirm_key(offer):
            raise
        trust(workspace, offer, confirm=error.key.fingerprint)
        return work()
    except HostError as error:  # whoever provisions needs no hint to provision
        error.hint = error.hint.removeprefix(if_never_provisioned(str(host.name)))
        if how.bare:  # a bare host has no such user
            error.hint = error.hint.replace(f" {host.user}@", f" {how.root_user}@")
        raise


def _installed(workspace: Workspace, host: Host, operation: dict[str, Any], how: HowToProvision) -> _Found:
    """Update the runner, and ask the runner for the plan."""
    hosts = hosts_of(workspace)
    with hosts.reach(host) as runner:
        if not how.update_runner or not bring_runner_up_to_date(workspace, host, runner, look_at(runner)):
            return _found(runner, operation)
    with hosts.reach(host) as runner:
        return _found(runner, operation)


def _found(runner: Runner, operation: dict[str, Any]) -> _Found:
    steps = _steps(runner, operation).steps
    changes = any(step.step == CHANGES_SETTINGS for step in steps)
    return _Found(steps, settings_digest(runner) if changes else None)


def _planned(workspace: Workspace, host: Host, operation: dict[str, Any]) -> PlanReply:
    with hosts_of(workspace).reach(host) as runner:
        return _steps(runner, operation)


def _steps(runner: Runner, operation: dict[str, Any]) -> PlanReply:
    return ask(runner, Plan(operation=operation))


def _signature(
    workspace: Workspace, settings: dict[str, Any], secrets: dict[str, Any], *, replaces: str
) -> dict[str, str]:
    """A signature that these settings, with these credentials, may replace the host's present settings."""
    from launchpad.ssh.archive import sign

    signed = {"replaces": replaces, "settings": digest_of(canonical(settings))}
    message = canonical(signed | ({"secrets": digest_of(canonical(secrets))} if secrets else {}))
    signature = sign(message, key=workspace.settings.signing_key, namespace=SETTINGS_NAMESPACE)
    return {"signer": signer(workspace), "replaces": replaces, "signature": signature}
