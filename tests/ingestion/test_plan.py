from __future__ import annotations

import pytest

from tercet.errors import DeletionRefusedError
from tercet.ingestion.plan import FoundFile, Plan, PlanOptions, make_plan
from tercet.ingestion.roots import Place
from tercet.memory.stored import FileEntry, FileStamp

NOW = 1_000_000_000_000
PLACE = Place(name="docs", path="/docs")


def stamp(size: int = 1, *, changed: int = 0, inode: int = 1) -> FileStamp:
    return FileStamp(size, changed, changed, inode)


def found(name: str, at: FileStamp | None = None) -> FoundFile:
    return FoundFile(f"docs/{name}", PLACE, name, f"/docs/{name}", at or stamp())


def known(name: str, **fields) -> tuple[str, FileEntry]:
    values = {
        "root_id": 1,
        "path": name,
        "stamp": stamp(),
        "seen_ns": NOW,
        "content_hash": f"hash of {name}",
        "config_hash": "config",
        "document_id": 1,
    }
    return f"docs/{name}", FileEntry(**{**values, **fields})


class Disk:
    """Contents by path; counts what is read."""

    def __init__(self, **hashes: str | None) -> None:
        self.hashes = {f"/docs/{name}": value for name, value in hashes.items()}
        self.read: list[str] = []

    def __call__(self, location: str) -> str | None:
        self.read.append(location)
        return self.hashes.get(location, f"hash of {location.removeprefix('/docs/')}")


def plan(files, entries, disk: Disk | None = None, *, uncertain=lambda uri: False, **options) -> Plan:
    return make_plan(
        files,
        dict(entries),
        PlanOptions(**{"config_hash": "config", "seen_ns": NOW + 5, **options}),
        hash_file=disk or Disk(),
        uncertain=uncertain,
        source="docs",
    )


def uris(files) -> list[str]:
    return [file.uri for file in files]


def test_equal_stamps_cost_no_look_inside():
    disk = Disk()
    result = plan([found("a")], [known("a")], disk)
    assert result == Plan(unchanged=1)
    assert disk.read == []


def test_a_new_file_is_parsed_without_being_read_first():
    disk = Disk()
    result = plan([found("a")], [], disk)
    assert uris(result.parse) == ["docs/a"]
    assert result.updates == frozenset()
    assert disk.read == []


@pytest.mark.parametrize("other", [stamp(2), stamp(changed=1), stamp(inode=2)])
def test_another_stamp_with_other_content_is_an_update(other):
    result = plan([found("a", other)], [known("a")], Disk(a="other"))
    assert uris(result.parse) == ["docs/a"]
    assert result.updates == {"docs/a"}


def test_a_touched_file_costs_a_ledger_row():
    result = plan([found("a", stamp(changed=7))], [known("a")])
    assert result.parse == ()
    assert result.unchanged == 1
    assert [(entry.stamp, entry.seen_ns) for entry in result.touched] == [(stamp(changed=7), NOW + 5)]


@pytest.mark.parametrize(
    ("ages", "looks"),
    [
        ((NOW - 3_000_000_000, NOW - 3_000_000_000), False),
        ((NOW - 1_000_000_000, NOW - 1_000_000_000), True),
        ((NOW - 1_000_000_000, NOW - 3_000_000_000), True),
        ((NOW - 3_000_000_000, NOW - 1_000_000_000), True),
        ((NOW + 9_000_000_000, NOW - 3_000_000_000), False),  # a modification time in the future was set by somebody
        ((NOW - 3_000_000_000, NOW + 9_000_000_000), True),  # a status change in the future was a clock that moved
    ],
)
def test_a_file_that_changed_just_before_it_was_read_is_read_again(ages, looks):
    at = FileStamp(1, ages[0], ages[1], 1)
    disk = Disk()
    result = plan([found("a", at)], [known("a", stamp=at)], disk)
    assert bool(disk.read) is looks
    assert result.unchanged == 1
    assert len(result.touched) == looks
    changed = plan([found("a", at)], [known("a", stamp=at)], Disk(a="other"))
    assert bool(changed.parse) is looks


def test_another_configuration_parses_everything_again():
    result = plan([found("a"), found("b")], [known("a"), known("b", config_hash="old")])
    assert uris(result.parse) == ["docs/b"]
    assert result.unchanged == 1


def test_verify_reads_everything_and_writes_nothing_where_it_agrees():
    disk = Disk(b="other")
    result = plan([found("a"), found("b")], [known("a"), known("b")], disk, verify=True)
    assert disk.read == ["/docs/a", "/docs/b"]
    assert uris(result.parse) == ["docs/b"]
    assert result.touched == ()


def test_failed_files_wait_for_a_change_or_a_request():
    failed = known("a", reason="broken", document_id=None)
    waiting = plan([found("a")], [failed])
    assert [(failure.path, failure.reason) for failure in waiting.still_failing] == [("docs/a", "broken")]
    assert waiting.parse == ()
    assert uris(plan([found("a")], [failed], retry_failed=True).parse) == ["docs/a"]
    assert uris(plan([found("a", stamp(2))], [failed], Disk(a="other")).parse) == ["docs/a"]
    assert uris(plan([found("a")], [failed], config_hash="new").parse) == ["docs/a"]


def test_a_failed_file_that_was_touched_still_fails():
    result = plan([found("a", stamp(changed=7))], [known("a", reason="broken", document_id=None)])
    assert len(result.touched) == len(result.still_failing) == 1
    assert result.touched[0].reason == "broken"


def test_a_row_without_document_is_no_reason_to_pass_a_file_over():
    assert uris(plan([found("a")], [known("a", document_id=None)]).parse) == ["docs/a"]


def test_a_rename_is_found_by_content_and_only_files_of_equal_size_are_read():
    disk = Disk(new="hash of old")
    files = [found("keep"), found("new"), found("other", stamp(99))]
    result = plan(files, [known("keep"), known("old")], disk)
    assert result.renamed == (("docs/old", "docs/new"),)
    assert uris(result.parse) == ["docs/new", "docs/other"]
    assert [file.uri for file in result.vanished] == ["docs/old"]
    assert disk.read == ["/docs/new"]


def test_copies_are_paired_one_to_one():
    disk = Disk(x="same", y="same", z="same")
    entries = [known("a", content_hash="same"), known("b", content_hash="same")]
    assert plan([found("x"), found("y"), found("z")], entries, disk).renamed == (
        ("docs/a", "docs/x"),
        ("docs/b", "docs/y"),
    )


def test_a_whole_folder_may_be_renamed_without_consent():
    files = [found(f"new{n}") for n in range(9)]
    entries = [known(f"old{n}", content_hash=f"hash of new{n}") for n in range(9)]
    assert len(plan(files, entries).renamed) == 9


def test_up_to_a_fifth_of_the_files_may_vanish():
    entries = [known(str(number)) for number in range(10)]
    result = plan([found(str(number)) for number in range(8)], entries)
    assert [file.uri for file in result.vanished] == ["docs/8", "docs/9"]


def test_more_than_a_fifth_needs_consent_and_the_error_counts():
    entries = [known(str(number)) for number in range(10)]
    files = [found(str(number)) for number in range(7)]
    with pytest.raises(DeletionRefusedError, match=r"3 of them.*10 files.*3 documents.*docs/7.*--allow-delete"):
        plan(files, entries)
    assert len(plan(files, entries, allow_delete=True).vanished) == 3


def test_an_empty_source_needs_consent():
    with pytest.raises(DeletionRefusedError, match=r"holds no file.*--allow-delete"):
        plan([], [known("a")])
    assert len(plan([], [known("a")], allow_delete=True).vanished) == 1


def test_files_that_never_became_documents_do_not_count():
    entries = [known(str(number)) for number in range(5)] + [known("x", document_id=None, reason="broken")]
    assert len(plan([found(str(number)) for number in range(4)], entries).vanished) == 2


def test_what_could_not_be_looked_at_has_not_vanished():
    result = plan([], [known("closed/a"), known("closed/b")], uncertain=lambda uri: uri.startswith("docs/closed/"))
    assert result.vanished == ()


def test_a_file_that_cannot_be_read_is_left_to_its_parser():
    result = plan([found("a", stamp(2))], [known("a")], Disk(a=None))
    assert uris(result.parse) == ["docs/a"]
