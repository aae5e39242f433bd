from __future__ import annotations

import bz2
import gzip
import lzma
import random
import shutil
import subprocess
import tarfile
import time
import tracemalloc
import zlib

import pytest

from tercet.errors import SourceError
from tercet.ingestion.packed import find_packed, unpacked
from tercet.settings import ParsingLimits, UnpackingLimits
from tests.ingestion.unpacked_archives import make_tar, special, unpack

PLAIN = {"a.md": b"# A\n\nalpha\n", "guide/b.txt": b"beta\n" * 300}
NOISE = random.Random(3).randbytes(200_000)


@pytest.mark.parametrize("suffix", ["tar", "tar.gz", "tgz", "tar.bz2", "tar.xz"])
@pytest.mark.parametrize("layout", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_members_are_unpacked_whatever_the_compression_and_the_format(tmp_path, suffix, layout):
    mode = {"tar": "w", "tar.gz": "w:gz", "tgz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}[suffix]
    members = PLAIN | {"x.png": NOISE, "block.md": b"x" * 512, "empty.md": b""}
    path = make_tar(tmp_path / f"docs.{suffix}", members.items(), mode, format=layout)
    members.pop("x.png")
    assert unpack(path) == (members, {})


@pytest.mark.parametrize("layout", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_and_unicode_names(tmp_path, layout):
    names = ["d" * 90 + "/" + "e" * 150 + ".md", "käse/größe.md", "日本語.txt"]
    path = make_tar(tmp_path / "d.tar.gz", [(name, name.encode()) for name in names], "w:gz", format=layout)
    assert unpack(path) == ({name: name.encode() for name in names}, {})


def test_the_first_bytes_tell_the_compression_not_the_name(tmp_path):
    assert unpack(make_tar(tmp_path / "d.tar.gz", PLAIN.items(), "w")) == (PLAIN, {})
    assert unpack(make_tar(tmp_path / "d.tar", PLAIN.items(), "w:xz")) == (PLAIN, {})


def test_compressed_streams_one_after_the_other_are_one(tmp_path):
    data = make_tar(tmp_path / "d.tar", PLAIN.items()).read_bytes()
    for compress in (gzip.compress, bz2.compress, lzma.compress):
        path = tmp_path / "several.tar.gz"
        path.write_bytes(b"".join(compress(data[start : start + 700]) for start in range(0, len(data), 700)))
        assert unpack(path) == (PLAIN, {})


@pytest.mark.skipif(shutil.which("tar") is None, reason="needs the tar program")
def test_what_the_tar_program_makes_is_read(tmp_path):
    for name, content in PLAIN.items():
        (tmp_path / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / name).write_bytes(content)
    subprocess.run(["tar", "-C", tmp_path / "src", "-czf", tmp_path / "d.tgz", "."], check=True)
    assert unpack(tmp_path / "d.tgz") == (PLAIN, {})


def test_links_and_devices_are_listed_and_never_made(tmp_path):
    members = [
        (special("link.md", tarfile.SYMTYPE, "/etc/passwd"), b""),
        (special("hard.md", tarfile.LNKTYPE, "a.md"), b""),
        (special("hard-out.md", tarfile.LNKTYPE, "../../../etc/passwd"), b""),
        (special("pipe.md", tarfile.FIFOTYPE), b""),
        (special("disk.md", tarfile.BLKTYPE), b""),
        (special("tty.md", tarfile.CHRTYPE), b""),
        (special("docs", tarfile.SYMTYPE, "/etc"), b""),
        ("docs/hosts.md", b"not written through the link"),
        (special("unknown.md", b"Q"), b""),
        *PLAIN.items(),
    ]
    outcome = unpack(make_tar(tmp_path / "d.tar", members))
    assert outcome.files == PLAIN | {"docs/hosts.md": b"not written through the link"}
    assert sorted(outcome.failures) == ["disk.md", "hard-out.md", "hard.md", "link.md", "pipe.md", "tty.md"]
    assert "is a link" in outcome.failures["hard-out.md"]
    assert "not a regular file" in outcome.failures["disk.md"]


def test_bytes_that_are_no_utf8_in_a_name_fail_alone(tmp_path):
    path = make_tar(tmp_path / "d.tar", [("cafX.md", b"x"), *PLAIN.items()], format=tarfile.GNU_FORMAT)
    data = bytearray(path.read_bytes())
    data[3] = 0xE9
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + 8 * 32 + sum(data[156:512]))
    path.write_bytes(data)
    outcome = unpack(path)
    assert outcome.files == PLAIN
    assert "no UTF-8" in outcome.failures["caf\\xe9.md"]


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_bomb_is_refused_even_if_nobody_wants_what_it_holds(tmp_path, mode):
    path = make_tar(tmp_path / "bomb.tar.gz", [("zeros.bin", bytes(30_000_000))], mode)
    with pytest.raises(SourceError, match=r"bomb.tar.gz unpacks to more than 100 times its size"):
        unpack(path, max_ratio=100)
    with pytest.raises(SourceError, match=r"unpacks to more than 5 MB"):
        unpack(path, max_ratio=1e9, max_total_mb=5)


def test_a_bomb_behind_the_end_mark_is_refused(tmp_path):
    data = make_tar(tmp_path / "d.tar", PLAIN.items()).read_bytes()
    path = tmp_path / "d.tar.gz"
    path.write_bytes(gzip.compress(data + bytes(30_000_000)))
    with pytest.raises(SourceError, match=r"100 times"):
        unpack(path, max_ratio=100)


def test_the_number_of_members_is_limited_headers_and_folders_included(tmp_path):
    folders = [(special(f"d{number}", tarfile.DIRTYPE), b"") for number in range(10)]
    path = make_tar(tmp_path / "d.tar", [*folders, *PLAIN.items()])
    with pytest.raises(SourceError, match="more than 11 members"):
        unpack(path, max_members=11)
    assert unpack(path, max_members=12).files == PLAIN


def test_a_member_that_is_too_large_is_passed_over_and_the_next_one_found(tmp_path):
    for mode in ("w", "w:gz"):
        path = make_tar(tmp_path / "d.tar", [("large.md", NOISE), *PLAIN.items()], mode)
        outcome = unpack(path, max_file_mb=0.1)
        assert outcome.files == PLAIN
        assert "larger than 0.1 MB" in outcome.failures["large.md"]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.9])
def test_a_truncated_archive_is_refused_by_name_with_a_remedy(tmp_path, mode, kept):
    path = make_tar(tmp_path / "d.tar", [*PLAIN.items(), ("noise.md", NOISE)], mode)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(SourceError, match=r"d\.tar is damaged, cut short, or no tar archive: .*tar -tf"):
        unpack(path)


def test_an_archive_cut_between_two_members_is_not_taken_for_a_whole_one(tmp_path):
    path = make_tar(tmp_path / "d.tar", PLAIN.items())
    path.write_bytes(path.read_bytes()[:1024])
    with pytest.raises(SourceError, match="no end mark"):
        unpack(path)


@pytest.mark.parametrize("content", [b"", b"no archive at all", b"\x1f\x8bxx", b"x" * 2000])
def test_a_file_that_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "d.tar").write_bytes(content)
    with pytest.raises(SourceError, match="damaged, cut short, or no tar archive"):
        unpack(tmp_path / "d.tar")


def test_a_wrong_checksum_at_the_end_of_the_stream_is_seen(tmp_path):
    path = make_tar(tmp_path / "d.tar.gz", PLAIN.items(), "w:gz")
    data = bytearray(path.read_bytes())
    data[-8] ^= 1
    path.write_bytes(data)
    with pytest.raises(SourceError, match="CRC"):
        unpack(path)


def test_a_decoder_that_wants_too_much_memory_is_refused(tmp_path):
    path = tmp_path / "d.tar.xz"
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 16 << 20}]
    data = bytearray(lzma.compress(bytes(10240), filters=filters))
    header = data[12 : 12 + (data[12] + 1) * 4]
    place = header.index(b"\x21\x01") + 2
    header[place] = 40  # a dictionary of 4 GiB
    header[-4:] = zlib.crc32(bytes(header[:-4])).to_bytes(4, "little")
    data[12 : 12 + len(header)] = header
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"[Mm]emory"):
        unpack(path)


def test_zstd_is_read_or_named_as_what_this_python_lacks(tmp_path):
    path = tmp_path / "d.tar.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
    with pytest.raises(SourceError, match=r"Python 3\.14|damaged"):
        unpack(path)


def sparse(path, name="holes.md"):
    """A member of the old GNU kind whose map goes on in a second block."""
    header = bytearray(tarfile.TarInfo(name).tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"%011o\0" % 512
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[386:410] = b"%011o\0%011o\0" % (0, 512)
    header[482] = 1
    header[483:495] = b"%011o\0" % 10**9
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
    rest = make_tar(path, PLAIN.items()).read_bytes()
    path.write_bytes(bytes(header) + bytes(512) + b"x" * 512 + rest)
    return path


def test_members_stored_with_holes_are_listed_and_the_next_one_found(tmp_path):
    outcome = unpack(sparse(tmp_path / "d.tar"))
    assert outcome.files == PLAIN
    assert "holes" in outcome.failures["holes.md"]
    member = tarfile.TarInfo("GNUSparseFile.0/h.md")
    member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9" * 12}
    pax = unpack(make_tar(tmp_path / "p.tar", [(member, b"1\n0\n5\n" + b"x" * 600), *PLAIN.items()]))
    assert (pax.files, len(pax.failures)) == (PLAIN, 1)


def pax_header(body: bytes) -> bytes:
    member = tarfile.TarInfo("././@PaxHeader")
    member.type, member.size = tarfile.XHDTYPE, len(body)
    return member.tobuf(tarfile.USTAR_FORMAT) + body + bytes(-len(body) % 512)


@pytest.mark.parametrize(
    "body",
    [
        b"1 " * 400_000 + b"=\n",
        b"1" * 900_000,
        b"30 GNU.sparse.offset=" + b"1" * 900_000,
        b"9999999999 path=x\n",
        b"6 a=b\n0 c=d\n",
        b"-6 a=b\n",
        b"6 a=b\nno length here",
    ],
    ids=["quadratic", "digits", "sparse", "endless", "zero", "negative", "no length"],
)
def test_extended_headers_made_to_waste_time_are_refused_at_once(tmp_path, body):
    path = tmp_path / "d.tar"
    path.write_bytes(pax_header(body) + make_tar(path, PLAIN.items()).read_bytes())
    started = time.process_time()
    with pytest.raises(SourceError, match="damaged"):
        unpack(path)
    assert time.process_time() - started < 1


def test_headers_of_absurd_size_are_refused(tmp_path):
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE):
        member = special("x", kind)
        member.size = 1 << 30
        (tmp_path / "d.tar").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(5000))
        with pytest.raises(SourceError, match="header claims"):
            unpack(tmp_path / "d.tar")


@pytest.mark.parametrize("size", [b"\xff" * 12, b"\x80" + b"\xff" * 11, b"\x80" + bytes(3) + b"\x7f" + bytes(7)])
def test_sizes_that_lead_back_or_nowhere_are_refused(tmp_path, size):
    header = bytearray(tarfile.TarInfo("a.md").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = size
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
    (tmp_path / "d.tar").write_bytes(header + bytes(2048))
    with pytest.raises(SourceError, match="damaged"):
        unpack(tmp_path / "d.tar", max_file_mb=1e12)


def mend_checksums(data: bytearray) -> None:
    """Make the headers valid again, so that what is wrong in them is believed."""
    for start in range(0, len(data) - 511, 512):
        block = data[start : start + 512]
        if block[257:262] == b"ustar":
            data[start + 148 : start + 156] = b"%06o\0 " % (sum(block[:148]) + 8 * 32 + sum(block[156:]))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_damage_anywhere_ends_in_an_answer(tmp_path, mode):
    members = [*PLAIN.items(), ("ü" * 120 + ".md", b"c")]
    original = make_tar(tmp_path / "d.tar", members, mode).read_bytes()
    generator = random.Random(7)
    path = tmp_path / "mutant.tar"
    started = time.process_time()
    refused = 0
    for _ in range(200):
        data = bytearray(original)
        for _ in range(generator.randint(1, 6)):
            place = generator.randrange(len(data))
            data[place] = generator.choice([0, 0x7F, 0x80, 0xFF, *b"0179 =/.", generator.randrange(256)])
        if mode == "w":
            mend_checksums(data)
        path.write_bytes(data)
        try:
            unpack(path, max_total_mb=1)
        except SourceError:
            refused += 1
    assert 0 < refused <= 200
    assert time.process_time() - started < 20


@pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
def test_memory_stays_bounded(tmp_path, mode):
    path = make_tar(tmp_path / "d.tar.gz", [("a.md", NOISE * 50), ("b.bin", NOISE * 50)], mode)
    packed = find_packed(path, revision=None)
    limits, parsing = UnpackingLimits(), ParsingLimits()
    tracemalloc.start()
    try:
        with unpacked(
            packed, source=path, limits=limits, parsing=parsing, globs=None, step=lambda path: None
        ) as contents:
            assert [file.stamp.size for file in contents.scan.files] == [10_000_000]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000  # the window of xz alone takes 8 MiB
