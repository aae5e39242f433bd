from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tercet.errors import ConfigurationError, CounterUnavailableError
from tercet.models import tiktoken_counter
from tercet.models.counters import AdditiveCounter, RunningCount, ScaledCounter, calibrate, resolve_counter
from tercet.models.tiktoken_counter import DefaultCounter, TiktokenCounter, pack_ranks, unpack_ranks

DEFAULT = DefaultCounter()
SAMPLES = json.loads((Path(__file__).parents[1] / "fixtures" / "token_counts.json").read_text("utf-8"))
"""Written for this test; each with its tokens in o200k_base."""

texts = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.sampled_from(
            [
                "word",
                " ",
                "  ",
                "\n",
                "\r\n",
                "\t",
                "/",
                "don't",
                "ABCdef",
                "1234567",
                "...",
                "密钥",
                "🎉🏽",
                "\u0301",
                "\ud83d",
            ]
        ),
        max_size=30,
    ).map("".join),
)


class CharacterCounter:
    """One token a character: an exact counter whose measures nobody declared additive."""

    name = "characters"

    def count(self, text: str) -> int:
        return len(text)


@given(texts)
def test_a_count_is_repeatable_and_zero_only_for_no_text(text: str) -> None:
    assert DEFAULT.count(text) == DefaultCounter().count(text)
    assert (DEFAULT.count(text) > 0) == (text != "")
    assert DEFAULT.count(text) >= DEFAULT.measure(text)


@given(texts, st.sampled_from(["\n", "\r", "\r\n"]), texts.filter(lambda text: not text.startswith(("\n", "\r"))))
@example("one.", "\n", "  /two")
@example(" ", "\n", " \n x")
@example("!" * 31, "\n", "!")
def test_measures_add_up_at_line_ends(left: str, end: str, right: str) -> None:
    assert DEFAULT.measure(left + end) + DEFAULT.measure(right) == DEFAULT.measure(left + end + right)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_larger_measure_never_has_fewer_tokens(first: int, second: int) -> None:
    low, high = sorted((first, second))

    assert DEFAULT.total(low) <= DEFAULT.total(high)


@pytest.mark.parametrize(
    "counter",
    [DEFAULT, ScaledCounter(DEFAULT, 1.3), CharacterCounter(), ScaledCounter(CharacterCounter(), 0.7)],
    ids=lambda counter: counter.name,
)
@given(parts=st.lists(texts, max_size=8))
def test_what_parts_add_sums_to_the_count_of_the_whole(
    counter: DefaultCounter | ScaledCounter | CharacterCounter, parts: list[str]
) -> None:
    running = RunningCount(counter)
    added = []
    for number, part in enumerate(parts):
        ahead = running.with_text(part)
        added.append(running.add(part))
        assert running.tokens == ahead == counter.count("".join(parts[: number + 1]))

    assert sum(added) == running.tokens == counter.count("".join(parts))


def test_a_running_count_costs_what_is_new() -> None:
    class Watched(DefaultCounter):
        seen = 0

        def measure(self, text: str) -> int:
            Watched.seen += len(text)
            return super().measure(text)

    running = RunningCount(Watched())
    for number in range(2000):
        running.add(f"{number}. A fact.\n")

    assert Watched.seen < 2000 * 60, "linear, where counting from the start would be quadratic"


def test_the_estimate_is_not_low_and_not_far_off() -> None:
    counted: dict[str, list[tuple[int, int]]] = {}
    for sample in SAMPLES:
        counted.setdefault(sample["kind"], []).append((DEFAULT.count(sample["text"]), sample["o200k_base"]))

    assert [pair for pairs in counted.values() for pair in pairs if pair[0] < pair[1]] == []
    over = {
        kind: sum(ours for ours, _ in pairs) / sum(theirs for _, theirs in pairs) for kind, pairs in counted.items()
    }
    assert max(over["prose"], over["code"]) <= 1.15, "the bound itself is measured by benchmarks/token_counters.py"
    assert max(over.values()) <= 1.65


@pytest.mark.parametrize("repeated", [" ", "a", "A", "\n", "!", "密", "\u0301", " \n", "1"])
def test_time_is_linear_in_texts_of_one_character(repeated: str) -> None:
    def seconds(size: int) -> float:
        begin = time.process_time()
        DEFAULT.count(repeated * size)
        return time.process_time() - begin

    small = min(seconds(50_000) for _ in range(3))

    assert seconds(400_000) < 30 * small + 0.2


def test_ranks_survive_their_file_and_hold_every_byte() -> None:
    ranks = unpack_ranks(tiktoken_counter.RANKS_FILE.read_bytes())

    assert {bytes([byte]) for byte in range(256)} <= set(ranks)
    assert sorted(ranks.values()) == list(range(len(ranks)))
    assert unpack_ranks(pack_ranks(sorted(ranks, key=ranks.__getitem__))) == ranks
    assert tiktoken_counter.RANKS_FILE.stat().st_size < 500_000


def test_damaged_ranks_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token_ranks.bin"
    monkeypatch.setattr(tiktoken_counter, "RANKS_FILE", file)
    whole = Path(tiktoken_counter.__file__).with_name("token_ranks.bin").read_bytes()
    for content in (b"", b"no ranks", whole[:1000]):
        file.write_bytes(content)
        tiktoken_counter._load_own.cache_clear()
        with pytest.raises(CounterUnavailableError, match=r"token_ranks\.bin"):
            DefaultCounter()
    tiktoken_counter._load_own.cache_clear()


def test_ranks_that_cannot_be_fetched_are_an_error_with_a_way_out(tmp_path: Path) -> None:
    code = """
from tercet.errors import CounterUnavailableError
from tercet.models.counters import resolve_counter
try:
    resolve_counter("o200k_base")
except CounterUnavailableError as error:
    print(error)
"""
    proxy = "http://127.0.0.1:9"  # nobody listens there, so that nothing leaves this machine
    environment = {"TIKTOKEN_CACHE_DIR": str(tmp_path), "HTTPS_PROXY": proxy, "HTTP_PROXY": proxy, "NO_PROXY": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
    )

    assert "openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken" in done.stdout
    assert "TIKTOKEN_CACHE_DIR" in done.stdout
    assert "'default'" in done.stdout


def test_a_counter_is_chosen_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-key")

    assert resolve_counter().name == resolve_counter("default").name == DEFAULT.name
    assert resolve_counter("anthropic:some-model").name == "anthropic:some-model"
    for spec in ("", "gpt2", "anthropic", "anthropic:", "Default"):
        with pytest.raises(ConfigurationError, match="'default'"):
            resolve_counter(spec)
    with pytest.raises(ConfigurationError, match="o200k_base"):
        TiktokenCounter("p50k_base")


def test_a_factor_scales_and_names_the_counter() -> None:
    scaled = ScaledCounter(CharacterCounter(), 1.1)

    assert scaled.name == "characters*1.100"
    assert [scaled.count("x" * size) for size in (0, 1, 9, 10)] == [0, 2, 10, 11]
    assert isinstance(DEFAULT, AdditiveCounter)
    for factor in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigurationError, match="factor"):
            ScaledCounter(DEFAULT, factor)


@given(st.lists(texts.filter(bool), min_size=1, max_size=250), st.sampled_from([0.0, 0.01, 0.2]))
def test_a_calibrated_counter_is_low_for_no_more_than_the_share_allowed(samples: list[str], low: float) -> None:
    reference = ScaledCounter(CharacterCounter(), 1.7)

    factor = calibrate(DEFAULT, reference, samples, low=low)
    scaled = ScaledCounter(DEFAULT, factor)

    assert sum(scaled.count(text) < reference.count(text) for text in samples) <= low * len(samples)


def test_calibrating_without_tokens_is_refused() -> None:
    for samples in ([], [""]):
        with pytest.raises(ConfigurationError, match="calibrate"):
            calibrate(DEFAULT, DEFAULT, samples)


@pytest.mark.parametrize("name", ["o200k_base", "cl100k_base"])
def test_measures_of_published_encodings_add_up_at_line_starts(name: str) -> None:
    folder = Path(os.environ.get("TIKTOKEN_CACHE_DIR", "absent"))
    if not (folder / tiktoken_counter.PUBLISHED[name][0]).is_file():
        pytest.skip(f"TIKTOKEN_CACHE_DIR has no ranks of {name}")
    counter = TiktokenCounter(name)

    @given(st.lists(texts, max_size=6))
    @example(["one.\n", "/two"])
    @example(["a\n", "\n  b", "!\n\n", "'s c"])
    def holds(parts: list[str]) -> None:
        running = RunningCount(counter)

        assert sum(running.add(part) for part in parts) == counter.count("".join(parts))

    holds()
