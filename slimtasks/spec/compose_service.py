"""How a Compose service is started, in the keys of a spec's `run`.

https://github.com/compose-spec/compose-spec/blob/main/05-services.md
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Sequence as Several
from dataclasses import dataclass, replace

from slimtasks.spec import compose_syntax as syntax
from slimtasks.spec.borrowed import as_text, taken_over, text
from slimtasks.spec.compose_build import top_level
from slimtasks.spec.interpolate import Caller
from slimtasks.spec.reading import Reading
from slimtasks.spec.run import Run
from slimtasks.spec.tree import Loc, Mapping, Node, Scalar, Sequence, find, found
from slimtasks.spec.validate import keys_of

_OURS = ("image", "build", "container_name", "networks", "secrets", "configs")
_IGNORED = (  # what makes no difference for what an image needs
    "annotations",
    "attach",
    "blkio_config",
    "cgroup_parent",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpus",
    "cpuset",
    "deploy",
    "develop",
    "labels",
    "label_file",
    "logging",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "oom_kill_disable",
    "oom_score_adj",
    "pids_limit",
    "profiles",
    "pull_policy",
    "pull_refresh_after",
    "restart",
    "scale",
    "storage_opt",
)
_NAMES = "all containers are on one network, where they find each other by their names"
_OWN = "containers are tried in namespaces of their own"
_HOOKS = "nothing is run in it but the steps of a workload"
_REFUSED = {
    **dict.fromkeys(("dns", "dns_opt", "dns_search", "domainname", "external_links", "links", "network_mode"), _NAMES),
    **dict.fromkeys(("mac_address",), _NAMES),
    **dict.fromkeys(("cgroup", "ipc", "pid", "userns_mode", "uts"), _OWN),
    **dict.fromkeys(("post_start", "pre_stop"), _HOOKS),
    "credential_spec": "that is for Windows",
    "device_cgroup_rules": "devices are given one by one, with `devices`",
    "extends": "`docker compose config -o FILE` writes a file that has all of it, which can be named instead",
    "gpus": "no GPU is given to what is tried",
    "group_add": "a container has the groups of its user",
    "isolation": "that is for Windows",
    "models": "no model is started beside it",
    "privileged": "nothing is tried with privileges; `cap_add` gives single ones",
    "provider": "only containers are started beside it",
    "runtime": "containers are tried with the engine's own runtime",
    "use_api_socket": "the engine is not given to what is tried",
    "volumes_from": "volumes are named, so that services share them",
}


@dataclass(frozen=True)
class ComposeService:
    """A service as it is written, with its variables filled in."""

    reading: Reading
    caller: Caller
    file: Mapping  # the whole one
    node: Mapping
    name: str

    def run(self, *, needs_ready: bool) -> Mapping:
        """Its keys for `run`, or for a service; what is not taken over adds a mistake.

        `needs_ready`: it starts once the services are ready, even where Compose waits for no more than their start.
        """
        items = taken_over(
            self.reading, self.node, ("services", self.name), (*keys_of(Run), *_OURS), _IGNORED, _REFUSED
        )
        aliases = (*self._container_name(items), *self._aliases(items))
        mounts = (*self._mounts("secrets", items, "/run/secrets/"), *self._mounts("configs", items, "/"))
        for key in _OURS:
            items.pop(key, None)
        for key, rewrite in self._rewrites(needs_ready=needs_ready).items():
            node = items.pop(key, None)
            new = rewrite(node) if node is not None else None
            items |= {key: new} if new is not None else {}
        self._volumes(items, mounts)
        if aliases:
            items["@aliases"] = Sequence(aliases, aliases[0].place)
        return Mapping(items, self.node.place, self.node.keys)

    def _rewrites(self, *, needs_ready: bool) -> dict[str, Callable[[Node], Node | None]]:
        return {
            "environment": self._environment,
            "env_file": self._env_files,
            "ports": lambda node: syntax.each(node, syntax.ports),
            "expose": lambda node: syntax.each(node, syntax.exposed),
            "devices": lambda node: syntax.each(node, syntax.device),
            "extra_hosts": syntax.hosts,
            "healthcheck": lambda node: syntax.less(node, ("start_interval",)),
            "depends_on": lambda node: syntax.dependencies(node, needs_ready=needs_ready),
        }

    def _wrong(self, node: Node, problem: str, *loc: int | str) -> None:
        self.reading.wrong(node.place, ("services", self.name, *loc), problem)

    def _environment(self, node: Node) -> Node:
        """Less the variables that have no value anywhere, which Compose does not set."""
        if isinstance(node, Sequence):
            return replace(node, items=tuple(item for item in map(self._listed, node.items) if item is not None))
        node = as_text(node)
        if not isinstance(node, Mapping):
            return node
        given = {name: self._given(name, item) for name, item in node.items.items()}
        return replace(node, items={name: item for name, item in given.items() if item is not None})

    def _listed(self, item: Node) -> Node | None:
        if not isinstance(item, Scalar) or not isinstance(item.value, str) or "=" in item.value:
            return item
        given = self._given(item.value, replace(item, value=None))
        value = given.value if isinstance(given, Scalar) else None
        return given if given is None else item if value is None else text(f"{item.value}={value}", item.place)

    def _given(self, name: str, item: Node) -> Node | None:
        """What is set; one of the caller stays without a value, so that it is written nowhere."""
        if not isinstance(item, Scalar) or item.value is not None:
            return item
        value = self.caller.get(name)
        if name in self.reading.caller.environ:
            return item
        return None if value is None else text(value, item.place)

    def _env_files(self, node: Node) -> Node:
        """The paths, less the files that need not be there and are not."""
        items = node.items if isinstance(node, Sequence) else (node,)
        paths: list[Node] = []
        for index, item in enumerate(items):
            if not isinstance(item, Mapping):
                paths.append(item)
                continue
            path, required = item.items.get("path", item), item.items.get("required")
            if "format" in item.items:
                problem = "not taken over, as only Compose's own format is read"
                self._wrong(item.items["format"], problem, "env_file", index, "format")
            optional = isinstance(required, Scalar) and required.value is False
            if not (optional and isinstance(path, Scalar) and not self._exists(path)):
                paths.append(path)
        return Sequence(tuple(paths), node.place)

    def _exists(self, path: Scalar) -> bool:
        return self.reading.sources.exists((self.reading.sources.root / path.place.file).parent / str(path.value))

    def _container_name(self, items: dict[str, Node]) -> tuple[Node, ...]:
        name = items.get("container_name")
        return (name,) if isinstance(name, Scalar) and name.value else ()

    def _aliases(self, items: dict[str, Node]) -> tuple[Node, ...]:
        """The names that it has on any network: there is but one here."""
        networks = items.get("networks")
        found_aliases: list[Node] = []
        for name, network in networks.items.items() if isinstance(networks, Mapping) else ():
            for key in network.items if isinstance(network, Mapping) else ():
                if key.startswith(("ipv4", "ipv6", "link_local", "mac_")):
                    self._wrong(find(network, (key,)) or network, f"not taken over, as {_NAMES}", "networks", name, key)
            aliases = find(network, ("aliases",))
            found_aliases += aliases.items if isinstance(aliases, Sequence) else ()
        return tuple(found_aliases)

    def _mounts(self, kind: str, items: dict[str, Node], folder: str) -> Iterator[Node]:
        """The secrets or configs as files that are mounted read-only, as Compose does outside of a swarm."""
        node = items.get(kind)
        for index, item in enumerate(node.items if isinstance(node, Sequence) else ()):
            loc: Loc = ("services", self.name, kind, index)
            name = find(item, ("source",)) or item
            if not isinstance(name, Scalar):
                self.reading.wrong(item.place, loc, f"found {found(item)}; allowed: a name")
                continue
            told = top_level(self.reading, self.file, kind, name, loc)
            source = find(told, ("file",)) if told else None
            if source is not None:
                target = find(item, ("target",)) or name
                path = str(target.value) if isinstance(target, Scalar) else ""
                whole = text(path if path.startswith("/") else folder + path, target.place)
                bind, read_only = text("bind", item.place), Scalar(True, item.place)
                yield Mapping({"type": bind, "source": source, "target": whole, "read_only": read_only}, item.place)
            elif told:
                self.reading.wrong(told.place, (kind, str(name.value)), "not taken over, as it is not of a `file`")

    def _volumes(self, items: dict[str, Node], mounts: Several[Node]) -> None:
        """Puts the mounts beside the volumes, and of these what lies in memory into `tmpfs`."""
        node = items.pop("volumes", None)
        if node is not None and not isinstance(node, Sequence):
            items["volumes"] = node
            return
        listed = node.items if node else ()
        for index, item in enumerate(listed):
            self._check_mount(item, index)
        in_memory = [line for item in listed if (line := syntax.memory(item))]
        volumes = [*(syntax.volume(item) for item in listed if not syntax.memory(item)), *mounts]
        if volumes:
            items["volumes"] = Sequence(tuple(volumes), (node or volumes[0]).place)
        if in_memory:
            there = items.get("tmpfs")
            before = there.items if isinstance(there, Sequence) else (there,) if there else ()
            items["tmpfs"] = Sequence((*before, *in_memory), in_memory[0].place)

    def _check_mount(self, item: Node, index: int) -> None:
        for outer, inner in (("bind", "propagation"), ("volume", "nocopy"), ("volume", "subpath")):
            node = find(item, (outer, inner))
            if isinstance(node, Scalar) and node.value:
                self._wrong(node, "not taken over, as volumes start empty", "volumes", index, outer, inner)
