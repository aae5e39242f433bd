"""Settings of an eval: read from files and options, named when they do not exist, combined into grids."""

from __future__ import annotations

from pathlib import Path

import pytest

from tercet import ChunkingConfig, RetrievalConfig
from tercet.errors import ConfigurationError, SourceError
from tercet.evals.configuration import EvalConfiguration, make_configuration, parse_setting, read_settings
from tercet.evals.grids import grid, parse_variation

FILES = {
    "yaml": "embedder: none\nbudgets: [128, 256]\nretrieval:\n  fusion: rrf\n  floor: 0.5\n",
    "toml": 'embedder = "none"\nbudgets = [128, 256]\n[retrieval]\nfusion = "rrf"\nfloor = 0.5\n',
    "json": '{"embedder": "none", "budgets": [128, 256], "retrieval": {"fusion": "rrf", "floor": 0.5}}',
}


@pytest.mark.parametrize("kind", FILES)
def test_three_kinds_of_file_say_the_same(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"settings.{kind}"
    file.write_text(FILES[kind], encoding="utf-8")

    assert make_configuration(read_settings(file)) == EvalConfiguration(
        embedder="none", budgets=(128, 256), retrieval=RetrievalConfig(fusion="rrf", floor=0.5)
    )


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n", encoding="utf-8")

    assert make_configuration(read_settings(tmp_path / "empty.yaml")) == EvalConfiguration()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.yaml", "retrieval: [", "not valid YAML"),
        ("a.toml", "retrieval = ", "not valid TOML"),
        ("a.json", "{", "not valid JSON"),
        ("a.json", "[" * 100_000, "not valid JSON"),
        ("a.yaml", "just text", "holds no settings"),
        ("a.ini", "", "no configuration"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")

    with pytest.raises(SourceError, match=message) as caught:
        read_settings(tmp_path / name)
    assert name in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere"):
        read_settings(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("document", "nearest"),
    [
        ("retrieval: {fuson: rrf}", "retrieval.fusion"),
        ("retreival: {fusion: rrf}", "retrieval.fusion"),
        ("chunking: {maxtokens: 3}", "chunking.max_tokens"),
        ("embeder: none", "embedder"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(tmp_path: Path, document: str, nearest: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(document, encoding="utf-8")

    with pytest.raises(ConfigurationError, match="there is no setting") as caught:
        read_settings(file)
    assert nearest in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("retrieval.fusion=best", "retrieval.fusion='best'"),
        ("retrieval.candidates=many", "retrieval.candidates='many'"),
        ("retrieval.candidates=0", "at least 1"),
        ("retrieval.fusion=[rrf, dbsf]", "retrieval.fusion"),
        ("budgets=[512, 256]", "the smallest first"),
        ("hits=0", "at least 1"),
    ],
)
def test_a_wrong_value_is_named_with_its_setting(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message.replace("[", r"\[")):
        make_configuration(dict([parse_setting(text)]))


@pytest.mark.parametrize("text", ["hits", "retrieval=rrf", "hits=[", "retrieval.fuson=rrf"])
def test_a_malformed_option_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--set"):
        parse_setting(text)


def test_a_grid_combines_each_value_with_each() -> None:
    variants = grid(
        {"embedder": "none", "retrieval.fusion": ["dbsf", "rrf"], "budgets": [256, 512]},
        [parse_variation("chunking.max_tokens=128,256")],
    )

    assert [one.name for one in variants] == [
        "retrieval.fusion=dbsf chunking.max_tokens=128",
        "retrieval.fusion=dbsf chunking.max_tokens=256",
        "retrieval.fusion=rrf chunking.max_tokens=128",
        "retrieval.fusion=rrf chunking.max_tokens=256",
    ]
    assert variants[2].configuration == EvalConfiguration(
        embedder="none",
        budgets=(256, 512),
        retrieval=RetrievalConfig(fusion="rrf"),
        chunking=ChunkingConfig(max_tokens=128),
    )


def test_an_option_replaces_the_values_of_the_file() -> None:
    variants = grid({"retrieval.fusion": ["dbsf", "minmax"]}, [parse_variation("retrieval.fusion=rrf,dbsf")])

    assert [one.configuration.retrieval.fusion for one in variants] == ["rrf", "dbsf"]


def test_a_setting_that_is_a_list_is_varied_by_a_list_of_lists() -> None:
    variants = grid({}, [parse_variation("budgets=[[256], [256, 512]]")])

    assert [one.configuration.budgets for one in variants] == [(256,), (256, 512)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hits": 5}, "nothing is varied"),
        ({"hits": []}, "no values"),
        ({"hits": [5, 5]}, "the same"),
        ({"hits": list(range(1, 100)), "chunks": list(range(1, 100))}, "9,801 configurations"),
        ({"hits": [5, "x"]}, "hits='x'"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        grid(settings)
