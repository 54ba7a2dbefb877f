"""What keep-presets takes, whatever the distribution, and what is told of what does not stay."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from small_trees import accesses, dump, entries, files, rule

from slimtasks.errors import SlimError
from slimtasks.selection import Inputs, Selection, select
from slimtasks.selection.presets import PRESETS, Preset, not_kept_note
from slimtasks.spec.model import Preset as Name
from slimtasks.stages.report import table

DEBIAN = """
/bin -> usr/bin
/lib -> usr/lib
/lib64 -> usr/lib64
/usr/bin/sh -> dash
/usr/bin/dash elf interpreter=/lib64/ld.so needed=libc.so.6
/usr/bin/bash elf interpreter=/lib64/ld.so needed=libc.so.6,libtinfo.so.6
/usr/bin/ls elf interpreter=/lib64/ld.so needed=libc.so.6
/usr/bin/ldd script=/bin/bash
/usr/bin/passwd
/usr/lib64/ld.so -> ../lib/x86_64-linux-gnu/ld.so
/usr/lib/x86_64-linux-gnu/ld.so elf
/usr/lib/x86_64-linux-gnu/libc.so.6 elf soname=libc.so.6
/usr/lib/x86_64-linux-gnu/libtinfo.so.6 elf
/usr/lib/x86_64-linux-gnu/libnss_compat.so.2 elf
/usr/lib/x86_64-linux-gnu/libnss3.so elf
/usr/lib/x86_64-linux-gnu/gconv/KOI8-R.so elf
/usr/lib/terminfo/x/xterm
/usr/lib/locale/C.utf8/LC_CTYPE size=360000
/usr/share/locale/de/LC_MESSAGES/app.mo size=2000
/usr/share/i18n/charmaps/UTF-8.gz
/usr/share/zoneinfo/UTC size=114
/usr/share/zoneinfo/Europe/Rome size=2600
/usr/share/zoneinfo/posix/Europe/Rome hardlink=/usr/share/zoneinfo/Europe/Rome size=2600
/usr/share/ca-certificates/mozilla/A.crt size=1000
/etc/localtime -> /usr/share/zoneinfo/UTC
/etc/nsswitch.conf
/etc/passwd
/etc/shadow
/etc/ssl/private/key.pem
/etc/ssl/certs/12ab.0 -> A.pem
/etc/ssl/certs/A.pem -> /usr/share/ca-certificates/mozilla/A.crt
/etc/ssl/certs/ca-certificates.crt size=1000
"""
ALPINE = """
/bin/busybox elf interpreter=/lib/ld-musl.so
/bin/sh -> /bin/busybox
/bin/ash -> /bin/busybox
/bin/ps -> /bin/busybox
/sbin/blkid -> /bin/busybox
/sbin/apk elf interpreter=/lib/ld-musl.so
/lib/ld-musl.so elf
/usr/bin/unzip -> /bin/busybox
/usr/share/i18n/locales/musl/de_DE.UTF-8
/etc/ssl/cert.pem -> certs/ca-certificates.crt
/etc/ssl/certs/ca-certificates.crt
/etc/services
/etc/passwd
"""
FEDORA = """
/bin -> usr/bin
/usr/bin/sh -> bash
/usr/bin/bash elf
/etc/ssl/certs -> ../pki/tls/certs
/etc/pki/tls/certs/ca-bundle.crt -> /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem
/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem
/etc/pki/tls/private/localhost.key
/usr/lib64/libnss_myhostname.so.2 elf
"""


def selected(tree: str, *presets: str, trace: str = "miss /none", **more: object) -> Selection:
    rules = [rule(name, f"image.yaml:{number}:5") for number, name in enumerate(presets, 1)]
    settings = {"granularity": "file", "metadata": "none", "unowned": "traced", **more}
    return select(Inputs(entries(tree), accesses(trace), keep_presets=rules, **settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tree", "preset", "stays"),
    [
        (DEBIAN, "certificates", "/etc/ssl/certs/12ab.0 /etc/ssl/certs/A.pem /etc/ssl/certs/ca-certificates.crt "
         "/usr/share/ca-certificates/mozilla/A.crt"),
        (ALPINE, "certificates", "/etc/ssl/cert.pem /etc/ssl/certs/ca-certificates.crt"),
        (FEDORA, "certificates", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem /etc/pki/tls/certs/ca-bundle.crt "
         "/etc/ssl/certs"),
        (DEBIAN, "timezones", "/etc/localtime /usr/share/zoneinfo/Europe/Rome /usr/share/zoneinfo/UTC "
         "/usr/share/zoneinfo/posix/Europe/Rome"),
        (DEBIAN, "locales", "/usr/lib/locale/C.utf8/LC_CTYPE /usr/lib/x86_64-linux-gnu/gconv/KOI8-R.so "
         "/usr/share/locale/de/LC_MESSAGES/app.mo"),
        (ALPINE, "locales", "/usr/share/i18n/locales/musl/de_DE.UTF-8"),
        (DEBIAN, "nss", "/etc/nsswitch.conf /etc/passwd /lib /usr/lib/x86_64-linux-gnu/libnss_compat.so.2"),
        (ALPINE, "nss", "/etc/passwd /etc/services"),
        (FEDORA, "nss", "/usr/lib64/libnss_myhostname.so.2"),
        (DEBIAN, "shell", "/bin /etc/nsswitch.conf /lib /lib64 /usr/bin/dash /usr/bin/sh "
         "/usr/lib/x86_64-linux-gnu/ld.so /usr/lib/x86_64-linux-gnu/libc.so.6 /usr/lib64/ld.so"),
        (ALPINE, "shell", "/bin/ash /bin/busybox /bin/sh /lib/ld-musl.so"),
        (FEDORA, "shell", "/bin /usr/bin/bash /usr/bin/sh"),
        (ALPINE, "debug", "/bin/ash /bin/busybox /bin/ps /bin/sh /lib/ld-musl.so /sbin/blkid /usr/bin/unzip"),
    ],
)  # fmt: skip
def test_what_a_preset_takes(tree: str, preset: str, stays: str) -> None:
    assert files(selected(tree, preset).selected, entries(tree)).split() == stays.split()


def test_debug_has_the_shell_commands_and_what_they_need() -> None:
    debug = set(files(selected(DEBIAN, "debug").selected, entries(DEBIAN)).split())
    assert set(files(selected(DEBIAN, "shell").selected, entries(DEBIAN)).split()) < debug
    commands = {"/usr/bin/bash", "/usr/bin/ls", "/usr/bin/ldd"}
    assert commands | {"/usr/lib/x86_64-linux-gnu/libtinfo.so.6", "/usr/lib/terminfo/x/xterm"} < debug
    assert "/usr/bin/passwd" not in debug


def test_busybox_by_hard_links() -> None:
    tree = "/bin/[ elf\n/bin/busybox hardlink=/bin/[\n/bin/sh hardlink=/bin/[\n/bin/vi hardlink=/bin/[\n/bin/other elf"
    assert files(selected(tree, "shell").selected, entries(tree)) == "/bin/sh"
    assert files(selected(tree, "debug").selected, entries(tree)).split() == ["/bin/[", "/bin/busybox", "/bin/sh",
                                                                             "/bin/vi"]  # fmt: skip


def test_commands_are_where_path_finds_them_too() -> None:
    tree = "/opt/tools/sh elf\n/bin/x"
    found = selected(tree, "shell", config={"config": {"Env": ["PATH=/opt/tools"]}})
    assert files(found.selected, entries(tree)) == "/opt/tools/sh"


def test_reasons_name_the_preset_and_drop_beats_it() -> None:
    found = selected(DEBIAN, "timezones", drop=[rule("/usr/share/zoneinfo/posix")])
    assert "/usr/share/zoneinfo/Europe/Rome: kept: preset timezones" in dump(found.selected)
    assert "posix" not in dump(found.selected)


def test_a_preset_of_which_nothing_is_there_is_an_error() -> None:
    tree = "/etc/ssl/certs/\n/etc/localtime -> /usr/share/zoneinfo/UTC\n/etc/services"
    with pytest.raises(SlimError) as refused:
        selected(tree, *PRESETS)
    assert refused.value.what.splitlines() == [
        'image.yaml:1:5: keep-presets: "certificates": the fat image has no CA certificates; '
        "they come with ca-certificates",
        'image.yaml:2:5: keep-presets: "timezones": the fat image has no time zones; they come with tzdata',
        'image.yaml:3:5: keep-presets: "locales": the fat image has no locales; they come with locales in Debian, '
        "glibc-langpack-* in Fedora, musl-locales in Alpine",
        'image.yaml:4:5: keep-presets: "nss": the fat image has no name services; they come with libc6 in Debian, '
        "glibc in Fedora",
        'image.yaml:5:5: keep-presets: "shell": the fat image has no shells; they come with dash in Debian, '
        "bash in Fedora, busybox in Alpine",
        'image.yaml:6:5: keep-presets: "debug": the fat image has no commands to look around with; they come with '
        "coreutils, procps and the like, or busybox",
    ]


def note(*presets: str, trace: str = "miss /none", **more: object) -> str:
    return "".join(not_kept_note(selected(DEBIAN, *presets, trace=trace, **more).not_kept))


def test_of_a_variant_the_key_is_told_that_names_it() -> None:
    with pytest.raises(SlimError) as refused:
        select(Inputs(entries("/etc/services"), (), variant=[rule("debug")]))
    assert 'final.variants: "debug": the fat image has no commands to look around with' in refused.value.what


def test_what_is_there_and_does_not_stay_is_told_with_the_presets() -> None:
    assert note(trace="read /etc/localtime") == (
        "not kept: 2.0 kB of CA certificates, 2.6 kB of time zones, 362.0 kB of locales; "
        "keep-presets: [certificates, timezones, locales] would keep them"
    )
    assert note("certificates", "timezones", "locales") == ""


def test_a_bundle_is_as_good_as_all_certificates() -> None:
    assert "CA certificates" not in note(trace="read /etc/ssl/certs/ca-certificates.crt")
    assert "CA certificates" in note(trace="read /etc/ssl/certs/A.pem")


def test_what_a_rule_drops_is_not_told() -> None:
    dropped = [rule("/etc/ssl"), rule("/usr/share/ca-certificates"), rule("/usr/share/zoneinfo/Europe")]
    assert note(drop=[*dropped, rule("/usr/share/zoneinfo/posix")], trace="read /etc/localtime") == (
        "not kept: 362.0 kB of locales; keep-presets: [locales] would keep them"
    )


def test_the_report_has_one_line_for_all_images() -> None:
    texts, numbers = ("kind", "platform", "start"), ("source_size", "size", "layers", "files")
    row: dict[str, Any] = {**dict.fromkeys(texts, ""), **dict.fromkeys(numbers, 0), "base": None}
    zones = {"preset": "timezones", "what": "time zones", "files": 1, "size": 2}
    names = ("git", "redis", "web")
    rows = [row | {"image": name, "verified": False, "seconds": {}, "notes": [], "not_kept": [zones]} for name in names]
    told = "not kept, though the fat image has them: time zones of {} (keep-presets: [timezones])"
    assert table(rows).splitlines()[-1] == told.format("git, redis, web")
    rows += [row | rows[0] | {"image": "x"}, row | rows[0] | {"image": "y", "not_kept": []}]
    assert table(rows).splitlines()[-1] == told.format("git, redis and 2 more")
    assert table(rows[-1:]).splitlines()[-1].startswith("y ")


def test_the_spec_knows_all_presets() -> None:
    assert get_args(Name) == tuple(PRESETS)


def test_the_readme_says_what_each_takes() -> None:
    readme = Path(__file__).parent.parent.joinpath("README.md").read_text()
    shown = readme.partition("### Presets\n")[2].partition("\n### ")[0]
    rows = [line for line in shown.splitlines() if re.match(r"\| `\w+` \|", line)]
    assert rows == [row(name, preset) for name, preset in PRESETS.items()]


def row(name: str, preset: Preset) -> str:
    """What the README's table has of it."""
    commands = ", ".join(f"`{command}`" for command in preset.commands)
    beside = f"with them {listed(preset.beside)}" if preset.beside else ""
    taken = [listed(preset.data), commands, beside]
    return f"| `{name}` | {preset.what}: {'; '.join(filter(None, taken))} | {preset.packages} |"


def listed(patterns: tuple[str, ...]) -> str:
    return ", ".join(f"`{pattern}`" for pattern in patterns)
