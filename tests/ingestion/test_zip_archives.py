from __future__ import annotations

import random
import re
import stat
import struct
import time
import zipfile
from pathlib import Path

import pytest

from tercet.errors import SourceError
from tests.ingestion.unpacked_archives import make_zip, unpack

PLAIN = {"a.md": b"# A\n\nalpha\n", "guide/b.txt": b"beta\n" * 50}


def test_members_are_unpacked_with_every_method(tmp_path):
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert unpack(make_zip(tmp_path / f"{method}.zip", PLAIN, compression=method)) == (PLAIN, {})


def test_a_bomb_is_refused_while_it_is_unpacked(tmp_path):
    bomb = make_zip(tmp_path / "bomb.zip", {"a.md": b"\0" * 30_000_000})
    with pytest.raises(SourceError, match=r"bomb.zip unpacks to more than 100 times its size.*nothing was changed"):
        unpack(bomb, max_ratio=100)
    assert unpack(bomb, max_ratio=2000).files["a.md"] == b"\0" * 30_000_000


def test_members_that_share_their_bytes_are_limited_together(tmp_path):
    """Many entries of the directory that lead to one member: no single one of them is large."""
    path = make_zip(tmp_path / "bomb.zip", {"a.txt": b"\0" * 1_000_000})
    data = path.read_bytes()
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    directory = data[start:end] * 100
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 100, 100, len(directory), start, 0)
    path.write_bytes(data[:start] + directory + tail)
    try:
        reason = unpack(path, max_ratio=20).failures["a.txt"]  # Pythons from 2024 on see the trick themselves
    except SourceError as error:
        reason = error.message
    assert re.search("Overlapped|20 times", reason)


def test_the_total_and_the_number_of_members_are_limited(tmp_path):
    path = make_zip(tmp_path / "d.zip", {f"{number}.md": random.Random(number).randbytes(1000) for number in range(20)})
    with pytest.raises(SourceError, match=r"unpacks to more than 0.01 MB.*--max-unpacked"):
        unpack(path, max_total_mb=0.01)
    with pytest.raises(SourceError, match=r"holds more than 19 members.*max_members"):
        unpack(path, max_members=19)
    assert len(unpack(path, max_members=20, max_total_mb=0.02).files) == 20


def test_a_huge_directory_is_refused_before_it_fills_the_memory(tmp_path):
    entry = b"PK\x01\x02" + bytes(24) + b"\x01" + bytes(17) + b"a"  # a name of one character, and nothing else
    directory = entry * 60_000
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(directory), 0, 0)
    path = tmp_path / "d.zip"
    path.write_bytes(directory + tail)
    with pytest.raises(SourceError, match=r"more than 50,000 entries"):
        unpack(path, max_members=50_000)
    with pytest.raises(SourceError, match=r"directory is too large"):
        unpack(path, max_members=100)


def test_an_encrypted_member_is_listed_and_the_others_are_taken(tmp_path):
    path = make_zip(tmp_path / "d.zip", {"secret.md": b"hidden", "secret.png": b"x"} | PLAIN)
    data = bytearray(path.read_bytes())
    for name in (b"secret.md", b"secret.png"):
        local, central = data.index(name), data.rindex(name)
        data[local - 24] |= 1
        data[central - 38] |= 1
    path.write_bytes(data)
    outcome = unpack(path)
    assert outcome.files == PLAIN
    assert list(outcome.failures) == ["secret.md"]
    assert "encrypted" in outcome.failures["secret.md"]


def test_links_and_devices_are_listed_and_not_made(tmp_path):
    path = tmp_path / "d.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, kind, content in (
            ("link.md", stat.S_IFLNK, "/etc/passwd"),
            ("pipe.md", stat.S_IFIFO, ""),
            ("docs", stat.S_IFLNK, "/etc"),
        ):
            member = zipfile.ZipInfo(name)
            member.create_system, member.external_attr = 3, (kind | 0o777) << 16
            archive.writestr(member, content)
        archive.writestr("docs/hosts.md", "not written through the link")
    outcome = unpack(path)
    assert outcome.files == {"docs/hosts.md": b"not written through the link"}
    assert outcome.failures == {
        "link.md": "is a link; links in archives are not followed",
        "pipe.md": "is not a regular file",
    }


def test_a_damaged_member_fails_alone(tmp_path):
    path = make_zip(tmp_path / "d.zip", {"bad.md": random.Random(1).randbytes(4000)} | PLAIN)
    data = bytearray(path.read_bytes())
    data[1000:1010] = bytes(10)
    path.write_bytes(data)
    outcome = unpack(path)
    assert outcome.files == PLAIN
    assert "damaged in the archive" in outcome.failures["bad.md"]


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.95])
def test_a_truncated_archive_is_refused_by_name_with_a_remedy(tmp_path, kept):
    path = make_zip(tmp_path / "d.zip", PLAIN)
    data = path.read_bytes()
    path.write_bytes(data[: kept if isinstance(kept, int) else int(kept * len(data))])
    with pytest.raises(SourceError, match=r"d\.zip is damaged, cut short, or no zip archive: .*unzip -t"):
        unpack(path)


def test_names_are_unicode_whether_the_archive_says_so_or_not(tmp_path):
    names = ["käse/größe.md", "日本語.txt", "plain.md"]
    said = make_zip(tmp_path / "said.zip", dict.fromkeys(names, b"x"))
    assert sorted(unpack(said).files) == sorted(names)
    data = bytearray(said.read_bytes())
    for name in names[:2]:
        raw = name.encode()
        data[data.index(raw) - 23] &= ~8
        data[data.rindex(raw) - 37] &= ~8
    unsaid = tmp_path / "unsaid.zip"
    unsaid.write_bytes(data)
    assert sorted(unpack(unsaid).files) == sorted(names)


def test_a_name_cut_by_a_null_byte_is_refused(tmp_path):
    path = make_zip(tmp_path / "d.zip", {"a.mdX../../x": b"x"})
    path.write_bytes(path.read_bytes().replace(b"a.mdX", b"a.md\0"))
    outcome = unpack(path)
    assert outcome.files == {}
    assert "control characters" in outcome.failures["a.md\\x00../../x"]


def test_damage_anywhere_ends_in_an_answer(tmp_path):
    original = make_zip(tmp_path / "d.zip", PLAIN | {"c.html": b"<p>" * 300}).read_bytes()
    generator = random.Random(7)
    path = tmp_path / "mutant.zip"
    started = time.process_time()
    answers = set()
    for _ in range(300):
        data = bytearray(original)
        for _ in range(generator.randint(1, 6)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        path.write_bytes(data)
        try:
            outcome = unpack(path, max_total_mb=1)
            answers.add("failures" if outcome.failures else "files")
        except SourceError:
            answers.add("refused")
    assert answers == {"failures", "files", "refused"}
    assert time.process_time() - started < 20


def test_the_archives_of_the_evaluation_data(data_dir):
    found = {
        "markitdown/test_files.zip": {"test_blog.html", "test_serp.html", "test_wikipedia.html"},
        "unstructured/simple.zip": {"ideas-page.html"},
        "docling/xbrl/sources/grve-taxonomy/taxonomy_package.zip": set(),
        "docling/xbrl/sources/mlac-taxonomy/taxonomy_package.zip": set(),
    }
    for name, expected in found.items():
        outcome = unpack(data_dir / "ingestion" / Path(name))
        assert expected <= {path.rpartition("/")[2] for path in outcome.files}
        assert outcome.failures == {}
