"""What lets scanners and lawyers see what is in the image: package databases, languages' too, licences, os-release."""

from __future__ import annotations

from slimtasks.packages import apk, rpm
from slimtasks.packages.distribution import Distribution
from slimtasks.packages.dpkg import LICENCES, STATUS, STATUS_D, checksums, licences_named, stanzas
from slimtasks.packages.identity import metadata_of
from slimtasks.packages.installed import place_of
from slimtasks.records import ImagePath, Package, Reason, bare_name
from slimtasks.rootfs import join
from slimtasks.selection.image import FatImage
from slimtasks.selection.kept import Kept
from slimtasks.sizes import size_text

_OF_RPM = "/usr/share/licenses/"
OS_RELEASE = ("/etc/os-release", "/usr/lib/os-release")


def keep_metadata(image: FatImage, kept: Kept, notes: list[str]) -> dict[ImagePath, str]:
    """Keeps the metadata of every package of which a file stays; the text of what has to be written anew, by path."""
    staying = [one for one in image.distributions.all if any(path in kept for path in one.paths)]
    for distribution in staying:
        _keep_distribution(distribution, kept)
    names = {entry.package for path in kept if (entry := image.tree.lookup(path)) and entry.type != "dir"}
    packages = [image.packages[name] for name in sorted(names) if name in image.packages]
    for path in OS_RELEASE:
        kept.follow(path, Reason("metadata", "names the distribution"))
    for package in packages:
        _keep_licences(package, image, kept)
    _keep_rpm(image, kept, notes)
    written = _apk(packages, image, kept)
    of_dpkg = [package for package in packages if package.name.startswith("deb/")]
    if STATUS in kept:
        return {**written, STATUS: _status(of_dpkg, image, kept)}
    return {**written, **_status_d(of_dpkg, image, kept)}


def _keep_distribution(distribution: Distribution, kept: Kept) -> None:
    for path in metadata_of(distribution):
        kept.follow(path, Reason("metadata", f"of {distribution.name}"))


def _keep_licences(package: Package, image: FatImage, kept: Kept) -> None:
    name = _plain(package)
    walk = kept.follow(f"/usr/share/doc/{name}/copyright", Reason("metadata", f"licence of {name}"))
    if walk.final is not None:
        text = image.inputs.captured.get(walk.final.path, b"")
        for licence in licences_named(text):
            kept.follow(join(LICENCES, licence), Reason("metadata", f"licence of {name}"))
    for path in package.paths:
        if path.startswith(_OF_RPM):
            kept.follow(path, Reason("metadata", f"licence of {name}"))


def _keep_rpm(image: FatImage, kept: Kept, notes: list[str]) -> None:
    for path in rpm.places():
        kept.follow(path, Reason("metadata", "rpm's database"))
    found = [entry for entry in rpm.databases(image.tree) if entry.path in kept]
    if found:
        paths = ", ".join(entry.path for entry in found)
        notes.append(
            f"rpm's database stays whole ({paths}, {size_text(sum(entry.size for entry in found))}): scanners find the "
            "packages that are gone, too; `metadata: none` leaves it out"
        )


def _apk(packages: list[Package], image: FatImage, kept: Kept) -> dict[ImagePath, str]:
    """apk's database of the packages that stay and their files that do; over a base with what that has installed."""
    names = {package.name for package in packages if package.name.startswith("apk/")}
    below = b"\n".join(image.inputs.base_captured.get(path, b"") for path in apk.DATABASES)
    homes: dict[ImagePath, ImagePath] = {}
    written: dict[ImagePath, str] = {}

    def stays(path: ImagePath) -> bool:
        return place_of(path, image.tree, homes) in kept

    for path in apk.DATABASES:
        text = apk.pruned(image.inputs.captured.get(path, b""), names, stays)
        if text and kept.keep(path, Reason("metadata", "packages of which a file stays")):
            written[path] = apk.joined(text, below)
    return written


def _status(packages: list[Package], image: FatImage, kept: Kept) -> str:
    """The app reads dpkg's status: cut down to the packages that stay."""
    kept.keep(STATUS, Reason("metadata", "packages of which a file stays"))
    texts = stanzas(image.inputs.captured)
    return "\n".join(texts[package.name] for package in packages if package.name in texts)


def _status_d(packages: list[Package], image: FatImage, kept: Kept) -> dict[ImagePath, str]:
    """distroless' layout: a status and a checksum file for each package, the latter for the files that stay."""
    texts = stanzas(image.inputs.captured)
    sums = checksums(image.inputs.captured, {package.name for package in packages})
    homes: dict[ImagePath, ImagePath] = {}
    written: dict[ImagePath, str] = {}
    for package in packages:
        name = bare_name(package.name)
        own = sums.get(package.name, ())
        lines = [f"{digest}  {path[1:]}\n" for digest, path in own if place_of(path, image.tree, homes) in kept]
        for file, text in ((name, texts.get(package.name, "")), (f"{name}.md5sums", "".join(lines))):
            path = join(STATUS_D, file)
            if text and kept.generate(path, Reason("metadata", f"package {name}")):
                written[path] = text
    return written


def _plain(package: Package) -> str:
    return bare_name(package.name).partition(":")[0]
