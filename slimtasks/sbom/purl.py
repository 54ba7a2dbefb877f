"""Package URLs (github.com/package-url/purl-spec)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from slimtasks.records import Package

_SYSTEMS = {"deb": "debian", "apk": "alpine", "rpm": "fedora"}  # whose packages they are where nothing tells


def purl(kind: str, name: str, version: str = "", namespace: str = "", **qualifiers: str) -> str:
    """The URL; a '/' in the namespace parts it, one in the name does not."""
    space = "".join(f"{quote(part, safe='')}/" for part in namespace.split("/") if part)
    at = f"@{quote(version, safe=':')}" if version else ""
    told = "&".join(f"{key}={quote(value, safe=':/')}" for key, value in sorted(qualifiers.items()) if value)
    return f"pkg:{kind}/{space}{quote(name, safe='')}{at}{'?' * bool(told)}{told}"


def of_package(package: Package, source: tuple[str, str], os_release: Mapping[str, str]) -> str:
    """A package of the distribution, which os-release(5) names; scanners match vulnerabilities by its source.

    `source`: name, and version where it is another one than the package's.
    """
    name = plain_name(package)
    kind = type_of(package)
    system = os_release.get("ID", _SYSTEMS[kind])
    epoch, _, version = package.version.rpartition(":") if kind == "rpm" else ("", "", package.version)
    return purl(
        kind,
        name,
        version,
        system,
        arch=package.architecture,
        epoch=epoch,
        distro="-".join(filter(None, (system, os_release.get("VERSION_ID", "")))) if os_release else "",
        upstream="@".join(filter(None, source)) if source != (name, "") else "",
    )


def type_of(package: Package) -> str:
    """'deb' of 'deb/libc6:i386'."""
    return package.name.partition("/")[0]


def plain_name(package: Package) -> str:
    """'libc6' of 'deb/libc6:i386'."""
    return package.name.partition("/")[2].partition(":")[0]


def of_language(kind: str, name: str, version: str) -> str:
    """A package of a language, by its name there: '@scope/name', 'Foo::Bar'."""
    if kind == "npm" and name.startswith("@") and "/" in name:
        scope, _, bare = name.partition("/")
        return purl(kind, bare, version, scope)
    return purl(kind, name, version)


def read_os_release(text: bytes) -> dict[str, str]:
    """The variables of an os-release file."""
    lines = re.findall(r"^([A-Z0-9_]+)=(.*?)\s*$", text.decode("utf-8", "replace"), re.MULTILINE)
    return {name: value.strip("\"'") for name, value in lines}
