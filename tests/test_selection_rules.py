"""keep, keep-packages, drop and own, and the mistakes that they may have."""

from dataclasses import replace

import pytest
from small_trees import accesses, dump, entries, files, rule

from slimtasks.errors import SlimError
from slimtasks.records import ImagePath, Package
from slimtasks.rootfs import Tree
from slimtasks.selection import Inputs, Missing, Selection, missing, select

TREE = """
/lib -> usr/lib
/etc/passwd package=base-passwd
/etc/ssl/certs/a.pem
/etc/ssl/certs/b.pem
/etc/localtime -> /usr/share/zoneinfo/UTC
/usr/share/zoneinfo/UTC package=tzdata
/usr/share/zoneinfo/Europe/Rome package=tzdata
/usr/share/doc/tzdata/copyright package=tzdata
/usr/bin/app elf interpreter=/lib/ld.so needed=libz.so.1
/usr/lib/ld.so elf
/usr/lib/libz.so.1 -> libz.so.1.2
/usr/lib/libz.so.1.2 elf
/usr/lib/glibc-hwcaps/x86-64-v3/libz.so.1 elf
"""


Rules = dict[str, list[str]]


def selection(rules: Rules, trace: str = "read /etc/passwd", added: tuple[str, ...] = ()) -> Selection:
    lines = {key: [rule(text, f"image.yaml:{n}:5") for n, text in enumerate(texts, 1)] for key, texts in rules.items()}
    inputs = Inputs(
        entries(TREE),
        accesses(trace),
        packages=(Package("deb/tzdata", "2024a"), Package("deb/base-passwd", "3", "all")),
        granularity="file",
        metadata="none",
        unowned="traced",
        added=added,
    )
    return select(replace(inputs, **lines))  # type: ignore[arg-type]


def kept(rules: Rules, trace: str = "read /etc/passwd", added: tuple[str, ...] = ()) -> str:
    return " ".join(files(selection(rules, trace, added).selected, entries(TREE)).split())


@pytest.mark.parametrize(
    ("rules", "stays"),
    [
        ({"keep": ["/etc/ssl/certs/**"]}, "/etc/passwd /etc/ssl/certs/a.pem /etc/ssl/certs/b.pem"),
        ({"keep": ["/etc/localtime"]}, "/etc/localtime /etc/passwd /usr/share/zoneinfo/UTC"),
        ({"own": ["/etc/ssl/*/a*"]}, "/etc/passwd /etc/ssl/certs/a.pem"),
        ({"drop": ["/etc/passwd"]}, ""),
        ({"drop": ["/etc/**"], "keep": ["/etc/ssl/certs/**"]}, ""),
        ({"drop": ["/etc/ssl"], "keep": ["/etc/ssl/certs/a.pem"]}, "/etc/passwd"),
        ({"keep_packages": ["tzdata"]}, "/etc/passwd /usr/share/doc/tzdata/copyright /usr/share/zoneinfo/Europe/Rome "
         "/usr/share/zoneinfo/UTC"),
        ({"keep_packages": ["tz*"], "drop": ["/usr/share/doc"]}, "/etc/passwd /usr/share/zoneinfo/Europe/Rome "
         "/usr/share/zoneinfo/UTC"),
        ({"keep_packages": ["base-passwd:all"]}, "/etc/passwd"),
        ({"keep": ["/usr/share/zoneinfo/Europe/*"]}, "/etc/passwd /usr/share/zoneinfo/Europe/Rome"),
        ({"keep": ["/lib/libz*"]}, "/etc/passwd /lib /usr/lib/libz.so.1 /usr/lib/libz.so.1.2"),
        ({"keep": ["/lib/ld.so"]}, "/etc/passwd /lib /usr/lib/ld.so"),
        ({"drop": ["/lib/libz*"]}, "/etc/passwd"),
    ],
)  # fmt: skip
def test_rules(rules: Rules, stays: str) -> None:
    assert kept(rules) == stays


def test_a_rule_may_name_what_add_writes() -> None:
    assert kept({"keep": ["/etc/new.conf"]}, added=("/etc/new.conf",)) == "/etc/passwd"


def test_reasons_name_the_rule() -> None:
    found = dump(selection({"keep": ["/etc/localtime"]}).selected)
    assert "/etc/localtime: kept: /etc/localtime" in found
    assert "/usr/share/zoneinfo/UTC: kept: /etc/localtime" in found


def test_a_directory_alone_is_told() -> None:
    assert 'image.yaml:1:5: keep: "/etc/ssl" keeps the directory alone; "/etc/ssl/**" keeps what is in it, too' in (
        selection({"keep": ["/etc/ssl"]}).notes
    )


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"keep": ["/etc/paswd"]}, 'keep: "/etc/paswd" matches nothing in the fat image; the nearest is /etc/passwd'),
        ({"drop": ["/usr/zoneinfo"]}, "the nearest is /usr/share/zoneinfo"),
        ({"own": ["/etc/ssl/certs/*.crt"]}, 'own: "/etc/ssl/certs/*.crt" matches nothing in the fat image; '
         "/etc/ssl/certs has a.pem, b.pem"),
        ({"keep": ["/usr/share/zoneinfo/{UTC,Europe/*}"]}, "braces stand for themselves: write a rule for each of"),
        ({"keep": ["/etc/sll/**"]}, "the nearest is /etc/ssl"),
        ({"keep_packages": ["base-passwd:i386"]}, "has no such package; the nearest is base-passwd"),
        ({"keep_packages": ["tzdat"]}, '"tzdat": the fat image has no such package; the nearest is tzdata'),
    ],
)  # fmt: skip
def test_a_rule_that_matches_nothing_is_an_error(rules: Rules, said: str) -> None:
    with pytest.raises(SlimError) as refused:
        selection(rules)
    assert said in refused.value.what
    assert refused.value.what.startswith("image.yaml:1:5: ")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("/usr/lib/libz.so.1.2", "takes /usr/lib/libz.so.1.2, which /usr/bin/app needs as libz.so.1"),
        ("/lib/libz.so.1", "takes /usr/lib/libz.so.1, which /usr/bin/app needs as libz.so.1"),
        ("/usr/lib/ld.so", "takes /usr/lib/ld.so, which /usr/bin/app needs as its ELF interpreter"),
    ],
)
def test_dropping_what_a_kept_program_needs_is_an_error(rule: str, said: str) -> None:
    with pytest.raises(SlimError) as refused:
        selection({"drop": [rule]}, "exec /usr/bin/app")
    assert f'image.yaml:1:5: drop: "{rule}" {said}' in refused.value.what


def test_dropping_what_only_some_cpus_take_is_none() -> None:
    assert kept({"drop": ["/usr/lib/glibc-hwcaps"]}, "exec /usr/bin/app") == (
        "/lib /usr/bin/app /usr/lib/ld.so /usr/lib/libz.so.1 /usr/lib/libz.so.1.2"
    )


def test_dropping_the_program_as_well_is_none() -> None:
    assert kept({"drop": ["/usr/bin/app", "/usr/lib/libz.so.1*"]}, "exec /usr/bin/app") == ""


def test_all_mistakes_at_once() -> None:
    rules = {"keep": ["/a", "/b"], "drop": ["/c", "/usr/lib/ld.so"], "keep_packages": ["d"]}
    with pytest.raises(SlimError) as refused:
        selection(rules, "exec /usr/bin/app")
    assert len(refused.value.what.splitlines()) == 5


def test_missing_names_the_line_that_would_keep_or_the_rule_that_took_it() -> None:
    lookups = list(map(ImagePath, ("/etc/passwd", "/etc/absent", "/etc/localtime", "/usr/bin/app")))
    stays = ["/etc/localtime", "/usr/bin/app", "/lib"]
    assert missing(lookups, Tree(entries(TREE)), stays, [rule("/etc/p*", "image.yaml:7:9")]) == (
        Missing(ImagePath("/etc/passwd"), 'drop: ["/etc/p*"]', "image.yaml:7:9", "/etc/passwd"),
        Missing(ImagePath("/usr/share/zoneinfo/UTC"), 'keep: ["/usr/share/zoneinfo/UTC"]', "", "/etc/localtime"),
        Missing(ImagePath("/usr/lib/ld.so"), 'keep: ["/usr/lib/ld.so"]', "", "/usr/lib/ld.so"),
    )


def test_missing_says_what_a_dropped_directory_took() -> None:
    (found,) = missing([ImagePath("/etc/ssl/certs/a.pem")], Tree(entries(TREE)), [], [rule("/etc/ssl", "x:1:1")])
    assert (found.line, found.where) == ('drop: ["/etc/ssl"]', "x:1:1")
