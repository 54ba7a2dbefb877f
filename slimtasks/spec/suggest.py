"""Which key was meant: by the words of other standards, or by closeness."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# How docker, Compose, Kubernetes, goss, container-structure-test, slim and mkosi call what a key here means.
_WORDS: dict[str, tuple[str, ...]] = {
    "add_host": ("extra_hosts",),
    "args": ("command",),
    "arguments": ("command", "args"),
    "base": ("from",),
    "binds": ("volumes",),
    "body_contains": ("body",),
    "build": ("from",),
    "build_args": ("args",),
    "capabilities": ("cap_add",),
    "cmd": ("command",),
    "code": ("status", "exit-status"),
    "command": ("exec",),
    "containerfile": ("dockerfile",),
    "contents": ("expect", "stdout"),
    "copy": ("add",),
    "cwd": ("working_dir",),
    "data": ("request-body", "send"),
    "dest": ("target",),
    "destination": ("target",),
    "distribution": ("suite",),
    "dst": ("target",),
    "entry_point": ("entrypoint",),
    "env": ("environment",),
    "envs": ("environment",),
    "env_vars": ("environment",),
    "exclude": ("drop", "remove"),
    "exclude_pattern": ("drop",),
    "exit_code": ("exit-status",),
    "expected_error": ("stderr",),
    "expected_output": ("stdout",),
    "exposed_ports": ("expose",),
    "files": ("add",),
    "from": ("source",),
    "health": ("healthcheck",),
    "include": ("keep",),
    "include_path": ("keep",),
    "insecure": ("allow-insecure",),
    "label": ("labels",),
    "memory": ("mem_limit",),
    "mounts": ("volumes",),
    "no_tls_verify": ("allow-insecure",),
    "output": ("stdout",),
    "packages": ("include", "keep-packages"),
    "preserve_path": ("keep",),
    "probes": ("workload",),
    "publish": ("ports",),
    "release": ("suite",),
    "repo_tags": ("tags",),
    "response": ("body",),
    "run": ("command", "exec"),
    "script": ("host",),
    "security_context": ("security_opt",),
    "shell": ("exec",),
    "src": ("source",),
    "status_code": ("status",),
    "steps": ("workload",),
    "stop_timeout": ("stop_grace_period",),
    "test": ("workload",),
    "tests": ("workload",),
    "url": ("path",),
    "volume": ("volumes",),
    "workdir": ("working_dir",),
    "working_directory": ("working_dir",),
}


def meant(key: str, allowed: Iterable[str]) -> str:
    """The allowed key that was probably meant; empty where none is near."""
    known = list(allowed)
    plain = {_plain(word): word for word in known}
    wanted = _plain(key)
    if wanted in plain:
        return plain[wanted]
    for word in (*_WORDS.get(_underscored(key), ()), *_WORDS.get(_plain(key), ())):
        if _plain(word) in plain:
            return plain[_plain(word)]
    close = difflib.get_close_matches(wanted, plain, n=1, cutoff=0.7)
    return plain[close[0]] if close else ""


def choice(names: Iterable[str], said: str = "") -> str:
    """Which images may be named, behind the one that was probably meant by what was `said`."""
    known = sorted(names)
    if not known:
        return "there is none here yet: `doit init IMAGE` writes the spec of one"
    near = meant(said, known)
    return f"{f'did you mean {near}? ' if near else ''}allowed: {', '.join(known)}"


def _plain(key: str) -> str:
    return key.lower().replace("-", "").replace("_", "")


def _underscored(key: str) -> str:
    """exitCode and exit-code are both exit_code."""
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in key).replace("-", "_").strip("_")
