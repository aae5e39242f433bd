"""Share of a document's words that parsing finds, by format, against reference renderings of public test files.

    python benchmarks/extraction_quality.py [--data ../shared/data] [--formats pdf html …] [--json PATH]

Recall is the share of the reference's word tokens that are in the extracted text, each as often as the reference has
it. References are the Markdown files that docling and markitdown keep beside their test files (``groundtruth/`` and
``expected_outputs/``). They were made by other programs, so that 1.0 is not always right: they mark up formulas, name
pictures, and hold what OCR finds in images. Precision is the share of extracted tokens that the reference has. Formats
without a parser are left out, files that cannot be parsed are listed with the reason and do not count.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import re
import time
import unicodedata
from collections import Counter
from pathlib import Path
from statistics import mean, median

from tercet.errors import ParseError
from tercet.ingestion.parsers import format_of, parse

HERE = Path(__file__).resolve().parent
SUFFIXES = {
    "pdf": (".pdf",),
    "html": (".html", ".htm"),
    "docx": (".docx",),
    "md": (".md",),
    "adoc": (".adoc", ".asciidoc"),
}
WORST = 5
_WORD = re.compile(r"[^\W_]+")
_NOT_WORDS = re.compile(
    r"<!--.*?-->|!\[[^\]]*\]\([^()\s]*\)|(?<=\])\([^()\s]*\)|</?[a-z][^<>]*>|\\(?=[!-/:-@\[-`{-~])", re.S | re.I
)
_SPLIT_HYPHEN = re.compile(r"(?<=\w)[-\u2010\xad]\s*\n\s*(?=\w)")


def tokens(text: str) -> Counter[str]:
    """Word tokens with their numbers: compatibility forms folded, case ignored, markup and link targets left out."""
    plain = html.unescape(_NOT_WORDS.sub(" ", text))
    return Counter(_WORD.findall(unicodedata.normalize("NFKC", plain).casefold()))


def token_recall(reference: str, extracted: str) -> float:
    """Share of the reference's tokens that are in the extracted text; 1.0 where the reference has none.

    >>> token_recall("Rotate **keys**, rotate often.", "rotate keys often")
    0.75
    """
    wanted = tokens(reference)
    found = wanted & tokens(extracted)
    return found.total() / wanted.total() if wanted else 1.0


def references(data: Path, suffixes: tuple[str, ...]) -> list[tuple[Path, Path]]:
    """Pairs of a file and its reference rendering."""
    pairs: list[tuple[Path, Path]] = []
    for file in sorted(path for path in data.rglob("*") if path.suffix.lower() in suffixes and path.is_file()):
        folders = (file.parent / "groundtruth", file.parent.parent / "groundtruth", file.parent / "expected_outputs")
        if file.parent.name in ("groundtruth", "expected_outputs"):
            continue
        stems = [file.name, file.stem, *([Path(file.stem).stem] if Path(file.stem).suffix else [])]
        # "x.odt.pdf" is the print of "x.odt", whose reference is named for the source.
        found = next((f / f"{s}.md" for f in folders for s in stems if (f / f"{s}.md").is_file()), None)
        if found:
            pairs.append((file, found))
    return pairs


def measured(data: Path, suffixes: tuple[str, ...]) -> dict[str, object]:
    """Recall and precision over the files of one format."""
    files: list[dict[str, object]] = []
    failed: list[dict[str, str]] = []
    for file, reference in references(data, suffixes):
        name = file.relative_to(data).as_posix()
        begin = time.perf_counter()
        try:
            text = parse(file.read_bytes(), name=file.name).text
        except ParseError as error:
            failed.append({"file": name, "reason": str(error)})
            continue
        seconds = time.perf_counter() - begin
        wanted = reference.read_text("utf-8")
        files.append(
            {
                "file": name,
                "recall": round(token_recall(wanted, text), 4),
                "precision": round(token_recall(text, wanted), 4),
                "tokens": tokens(wanted).total(),
                "seconds": round(seconds, 4),
            }
        )
    recalls = [float(str(entry["recall"])) for entry in files]
    precisions = [float(str(entry["precision"])) for entry in files]
    return {
        "files": len(files),
        "recall": {"median": round(median(recalls), 4), "mean": round(mean(recalls), 4), "least": min(recalls)}
        if recalls
        else None,
        "precision": {"median": round(median(precisions), 4), "mean": round(mean(precisions), 4)} if recalls else None,
        "worst": sorted(files, key=lambda entry: float(str(entry["recall"])))[:WORST],
        "failed": failed,
        "all": files,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    beside = HERE.parents[1] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TERCET_DATA", beside)))
    parser.add_argument("--formats", nargs="+", choices=sorted(SUFFIXES), default=list(SUFFIXES))
    parser.add_argument("--json", type=Path, default=HERE / "results" / "extraction_quality.json")
    arguments = parser.parse_args()
    data = arguments.data / "ingestion"
    if not data.is_dir():
        raise SystemExit(f"{data} is no folder; name the one above it with --data")
    result: dict[str, object] = {"command": "python benchmarks/extraction_quality.py --data DIR"}
    formats: dict[str, object] = {}
    for name in arguments.formats:
        suffixes = tuple(suffix for suffix in SUFFIXES[name] if format_of(f"x{suffix}"))
        if not suffixes:
            print(f"{name}: no parser")
            continue
        entry = measured(data, suffixes)
        formats[name] = entry
        print(f"{name}: {entry['files']} files, recall {entry['recall']}, precision {entry['precision']}")
        for worst in entry["worst"]:
            print(f"    {worst['recall']:.3f}  {worst['file']}")
        for failure in entry["failed"]:
            print(f"    failed  {failure['file']}: {failure['reason']}")
    result["formats"] = formats
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
