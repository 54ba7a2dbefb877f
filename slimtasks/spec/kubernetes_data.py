"""What ConfigMaps and Secrets of the same file hold.

https://kubernetes.io/docs/concepts/configuration/configmap/, https://kubernetes.io/docs/concepts/configuration/secret/
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass

from slimtasks.spec.reading import Reading
from slimtasks.spec.tree import Loc, Mapping, Node, Place, Scalar, Sequence, find

Values = dict[str, tuple[str, Place]]
"""By key: the text, and where it stands."""


@dataclass(frozen=True)
class Data:
    """The objects of one file."""

    reading: Reading
    objects: tuple[Mapping, ...]

    def variables(self, node: Node | None, loc: Loc) -> Iterator[tuple[str, tuple[str, Place]]]:
        """What an `envFrom` brings."""
        for index, item in enumerate(node.items if isinstance(node, Sequence) else ()):
            prefix = find(item, ("prefix",))
            before = str(prefix.value) if isinstance(prefix, Scalar) else ""
            for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                reference = find(item, (key,))
                values = self.values(kind, reference, (*loc, index, key)) if reference else None
                yield from ((f"{before}{name}", told) for name, told in (values or {}).items())

    def value_from(self, item: Node, variable: str, loc: Loc) -> tuple[str, Place] | None:
        """What a `valueFrom` stands for; None where it may be missing and is, and after adding a mistake."""
        hint = f"set `run: environment: {{{variable}: ...}}` in the spec"
        for kind, key in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
            reference = find(item, ("valueFrom", key))
            if reference is None:
                continue
            values = self.values(kind, reference, (*loc, key), hint)
            wanted = find(reference, ("key",))
            name = str(wanted.value) if isinstance(wanted, Scalar) else ""
            if values is not None and name not in values and not _optional(reference):
                allowed = ", ".join(values) or "nothing, as it is empty"
                self.reading.wrong(reference.place, (*loc, key), f"found '{name}'; allowed: {allowed}; or {hint}")
            return (values or {}).get(name)
        self.reading.wrong(item.place, loc, f"not taken over, as only a cluster knows it; {hint}")
        return None

    def values(self, kind: str, reference: Node, loc: Loc, hint: str = "") -> Values | None:
        """What the object holds that the reference names; None where there is none, a mistake unless it is optional."""
        name = find(reference, ("name",)) or find(reference, ("secretName",))
        for one in self.objects:
            if name and _is(one, ("kind",), kind) and _is(one, ("metadata", "name"), getattr(name, "value", None)):
                return self._held(one)
        if not _optional(reference):
            shown = name.value if isinstance(name, Scalar) else "nothing"
            otherwise = f"; or {hint}" if hint else ""
            self.reading.wrong(reference.place, loc, f"found '{shown}'; allowed: a {kind} of the same file{otherwise}")
        return None

    def _held(self, one: Mapping) -> Values:
        held: Values = {}
        secret = _is(one, ("kind",), "Secret")
        for key in ("data", "stringData", "binaryData"):
            encoded = key == "binaryData" or (key == "data" and secret)
            node = one.items.get(key)
            for name, value in node.items.items() if isinstance(node, Mapping) else ():
                content = value.value if isinstance(value, Scalar) else None
                try:
                    told = base64.b64decode(str(content), validate=False).decode() if encoded else str(content)
                except (binascii.Error, UnicodeDecodeError):
                    self.reading.wrong(value.place, (key, name), "found what is not text in base64; allowed: that")
                    continue
                held[name] = (told, value.place)
        return held


def _is(node: Node, loc: Loc, value: object) -> bool:
    there = find(node, loc)
    return isinstance(there, Scalar) and there.value == value


def _optional(reference: Node) -> bool:
    return _is(reference, ("optional",), True)
