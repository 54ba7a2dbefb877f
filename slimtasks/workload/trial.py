"""One workload on its way: tries one step after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from slimtasks.engine.client import Engine
from slimtasks.engine.config import ContainerConfig
from slimtasks.spec.model import Image
from slimtasks.spec.run import Volume
from slimtasks.spec.steps import Action, Client, Exec, Host, Http, Oneshot, Pytest, Step, StructureTest, Tcp, Wait
from slimtasks.workload.commands import run_client, run_exec, run_host, run_oneshot
from slimtasks.workload.container_config import container_config
from slimtasks.workload.failure import PartResult
from slimtasks.workload.http import check_http
from slimtasks.workload.launcher import Launcher
from slimtasks.workload.others import other_image
from slimtasks.workload.pytest_suite import run_pytest
from slimtasks.workload.readiness import wait_for, wait_ports
from slimtasks.workload.structure import Subject, run_structure_test
from slimtasks.workload.target import Running, Target
from slimtasks.workload.tcp import check_tcp
from slimtasks.workload.volumes import NO_VOLUMES, Volumes


@dataclass(frozen=True)
class Workload:
    """What to run, and on which image."""

    image: Image
    steps: tuple[Step, ...]  # of its workload, of its checks, or both
    image_id: str  # under test: the fat image or the slim one
    fat_id: str  # the default image of `client` steps
    tracer_image: str  # an image with the program /relay, used where the engine is not on this machine
    environ: Mapping[str, str]  # the caller's
    files: bytes = b""  # a tar of what `add:` puts over the fat tree; empty where the image has it
    others: Mapping[str, str] = field(default_factory=dict)  # images of this repo: as the spec names them -> id


@dataclass(frozen=True)
class Trial:
    """What steps need: the engine, the volumes of this run and, for all but `oneshot`, the running container."""

    engine: Engine
    launcher: Launcher
    workload: Workload
    volumes: Volumes = NO_VOLUMES
    network: str = ""  # that clients and services share with the target
    ports: frozenset[int] = frozenset()  # published ones
    target: Target | None = None
    services: tuple[Running, ...] = ()

    def attempt(self, step: Step, timeout: float) -> tuple[PartResult, ...]:
        """Runs the step for at most `timeout` seconds, and its parts; StepFailed where it does not go as it says."""
        if isinstance(step.action, StructureTest):
            volumes = step.action.volumes
            subject = Subject(
                self.engine, self.launcher, self.config((), volumes), self.files(volumes), self.workload.environ
            )
            return run_structure_test(step.action, subject, timeout)
        if isinstance(step.action, Pytest):
            assert self.target is not None  # the runner starts it before
            self.target.must_run()
            return run_pytest(step.action, self._environment(), self.workload.image.folder, timeout)
        self._attempt(step.action, timeout)
        return ()

    def _attempt(self, action: Action, timeout: float) -> None:
        if isinstance(action, Oneshot):
            config = self.config(action.command, action.volumes)
            config = replace(config, log_driver="none", stdin_open=False)  # nobody types: its input is at its end
            run_oneshot(action, self.launcher, config, self.files(action.volumes), timeout)
            return
        assert self.target is not None  # the runner starts it before the first of these
        if isinstance(action, (Http, Tcp)):
            wait_ports(self.target, frozenset({action.port}), timeout)
            address = self.target.reach.address(action.port)
            if isinstance(action, Http):
                check_http(action, address, timeout)
            else:
                check_tcp(action, address, timeout)
        elif isinstance(action, Exec):
            run_exec(action, self.target, timeout)
        elif isinstance(action, Client):
            work = self.workload
            named = action.image
            image = other_image(self.engine, work.image, work.others, named) if named else work.fat_id
            run_client(action, self.engine, image, self.network, work.image.known_as, timeout)
        elif isinstance(action, Host):
            self.target.must_run()
            run_host(action, self._environment(), self.workload.image.folder, timeout)
        elif isinstance(action, Wait):
            wait_for(self.target, action, timeout)

    def config(self, command: tuple[str, ...] | None = None, volumes: tuple[Volume, ...] = ()) -> ContainerConfig:
        """A container as `run:` says, with `command` for its arguments."""
        work = self.workload
        run, file = work.image.run, work.image.file
        config = container_config(
            run, file, work.image_id, self.volumes, work.environ, command=command, more_volumes=volumes
        )
        return replace(config, network=self.network)

    def files(self, volumes: tuple[Volume, ...] = ()) -> bytes:
        """What is put into such a container before it starts, as a tar."""
        return self.volumes.files((*self.workload.image.run.volumes, *volumes), self.workload.files)

    def ended_services(self) -> dict[str, str]:
        """Of the services that ended with an error: what became of each -> its last log lines."""
        return {fate: one.target.log() for one in self.services if (fate := one.epitaph())}

    def _environment(self) -> dict[str, str]:
        return {**self.workload.environ, **self.told()}

    def told(self) -> dict[str, str]:
        """The variables that tell a program of this machine of the running container."""
        target = self.target
        assert target is not None  # the runner starts it before anybody asks
        addresses = {port: target.reach.address(port) for port in sorted(self.ports)}
        hosts = {host for host, _ in addresses.values()} or {"127.0.0.1"}
        return {
            "SLIMTASKS_CONTAINER": target.container.id,
            "SLIMTASKS_IMAGE": self.workload.image_id,
            "SLIMTASKS_HOST": min(hosts),
            **{f"SLIMTASKS_PORT_{port}": str(number) for port, (_, number) in addresses.items()},
        }
