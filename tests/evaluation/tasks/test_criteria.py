"""Test suites, beside transformers itself in float64 and a rule for regions written apart."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from seqscore import Scorer, compare, evaluate, plot, report
from seqscore.errors import InputError, OptionError, SeqscoreWarning
from seqscore.evaluation.data.dataset import open_dataset
from seqscore.evaluation.job import Job
from seqscore.evaluation.read.charts import charts_of_run
from seqscore.evaluation.read.export import export_fields, exported, usual_layout
from seqscore.evaluation.run.run_folder import Run, read_run
from seqscore.evaluation.run.stored_rows import stored_rows
from seqscore.evaluation.tasks.criteria import NO_VALUE, scored_regions
from seqscore.evaluation.tasks.regions import sentence_of, spans_of
from seqscore.evaluation.tasks.registry import make_task, stored_task
from tests.evaluation.evaluated import figures, files, tiny_scorer
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

CLOSE = 3e-4  # bits; float32 against float64: at most 30 tokens, each off by at most about 5e-6 nat on this model

ITEMS = [("The quick fox", "jumps", "over the dog."), ("The  cat", "Über", "über"), ("one two", "", "three")]
OTHER = ["jump", "are here", "the other"]
FORMULAS = ["(2;%bad%) > (2;%good%)", "sum(bad.*) > sum(good.*) & (1;%bad%) = (1;%good%)"]


def suite(name: str = "agreement", formulas: list[str] = FORMULAS, **changes: Any) -> dict[str, Any]:
    """A suite in SyntaxGym's form."""

    def condition(name: str, parts: tuple[str, ...]) -> dict[str, Any]:
        regions = [{"region_number": place, "content": one} for place, one in enumerate(parts, start=1)]
        return {"condition_name": name, "regions": regions}

    items = [
        {"item_number": number, "conditions": [condition("good", parts), condition("bad", (parts[0], bad, parts[2]))]}
        for number, (parts, bad) in enumerate(zip(ITEMS, OTHER, strict=True), start=1)
    ]
    return {
        "meta": {"name": name, "metric": "sum"},
        "region_meta": {"1": "subject", "2": "verb", "3": "rest"},
        "predictions": [{"type": "formula", "formula": one} for one in formulas],
        "items": items,
        **changes,
    }


def token_bits(text: str) -> list[tuple[int, int, float]]:
    """Characters and surprisal of every token: plain transformers in float64, behind the start token."""
    tokenizer = tiny_tokenizer()
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = [tokenizer.bos_token_id, *encoded["input_ids"]]
    with torch.no_grad():
        table = torch.log_softmax(tiny_model("llama", dtype=torch.float64)(torch.tensor([ids])).logits[0], -1)
    bits = [-float(table[place, one]) / math.log(2) for place, one in enumerate(ids[1:])]
    return [(start, end, one) for (start, end), one in zip(encoded["offset_mapping"], bits, strict=True)]


def regions_by_hand(parts: tuple[str, ...]) -> list[float]:
    """Every region's bits: each character of the sentence has an owner, and a token is its first black character's."""
    text, owner = "", []
    for place, part in enumerate(parts):
        if part:
            gap = " " if text else ""
            text, owner = text + gap + part, owner + [place] * len(gap + part)
    sums = [0.0] * len(parts)
    for start, _, bits in token_bits(text):
        black = next((at for at in range(start, len(text)) if text[at] != " "), len(text) - 1)
        sums[owner[black]] += bits
    return sums


def conditions() -> list[dict[str, tuple[str, ...]]]:
    return [{"good": parts, "bad": (parts[0], bad, parts[2])} for parts, bad in zip(ITEMS, OTHER, strict=True)]


def job_of(path: Path, policies: Any = (), fields: Any = None, **settings: Any) -> Job:
    options: dict[str, Any] = {"policies": dict(policies), "resamples": 100, "part_rows": 2, "columns": None}
    return Job.of("criteria", open_dataset([str(path)]), fields=fields, settings=settings, **options)


def made_run(folder: Path, data: Any, *, scorer: Scorer | None = None, policies: Any = (), **settings: Any) -> Run:
    """A run over rows, a suite or a file."""
    folder.mkdir(exist_ok=True)
    path = data if isinstance(data, Path) else folder / ("data.json" if isinstance(data, dict) else "data.jsonl")
    if isinstance(data, dict):
        path.write_text(json.dumps(data))
    elif not isinstance(data, Path):
        path.write_text("".join(json.dumps(row) + "\n" for row in data))
    job = job_of(path, policies, **settings)
    return job.run(scorer or tiny_scorer(), folder / "run", report=lambda told: None)[0]


def bits_of(run: Run) -> list[dict[str, list[float]]]:
    return [
        {name: [one.metric("sum") for one in regions] for name, regions in scored_regions(row).items()}
        for row in stored_rows(run)
    ]


def expected_figures() -> dict[str, float]:
    own = [{name: regions_by_hand(parts) for name, parts in one.items()} for one in conditions()]
    first = [one["bad"][1] > one["good"][1] for one in own]
    second = [sum(one["bad"]) > sum(one["good"]) for one in own]
    margins = [
        min(one["bad"][1] - one["good"][1], sum(one["bad"]) - sum(one["good"]), 1e-3 + 1e-5 * one["good"][0])
        for one in own
    ]
    return {
        "criterion_1": sum(first) / 3,
        "criterion_2": sum(second) / 3,
        "accuracy": sum(a and b for a, b in zip(first, second, strict=True)) / 3,
        "mean_margin": sum(margins) / 3,
        "mean_surprisal": sum(sum(map(sum, one.values())) for one in own) / 6,
    }


def test_a_suite_of_syntaxgym_beside_a_plain_loop(tmp_path: Path) -> None:
    run = made_run(tmp_path, suite())
    for found, parts in zip(bits_of(run), conditions(), strict=True):
        for name, one in parts.items():
            assert found[name] == pytest.approx(regions_by_hand(one), abs=CLOSE)
    assert bits_of(run)[2]["good"][1] == 0.0, "a region without text"
    found = figures(run)
    for name, value in expected_figures().items():
        assert found[name] == pytest.approx(value, abs=CLOSE), name
    rows = list(stored_rows(run))
    assert [(row["id"], row["number"], row["group"]) for row in rows] == [
        (str(i + 1), i, "agreement") for i in range(3)
    ]
    texts = [item["text"] for item in rows[2]["items"]]
    assert texts == ["one two three", "one two the other three"], "an empty region leaves no space"
    assert all(row["columns"] is None for row in rows), "suites are not stored with every row"


WIDE = [
    {"item": number, "condition": name, "a": parts[0], "b": parts[1], "c": parts[2], "list": 7}
    for number, one in enumerate(conditions())
    for name, parts in one.items()
]
NAMED = ["sum(bad.b) > sum(good.b)", "sum(bad.*) > sum(good.*) & sum(bad.a) = sum(good.a)"]


def other_forms() -> Mapping[str, tuple[list[dict[str, Any]], dict[str, Any]]]:
    long = [
        {"item_number": row["item"], "condition_name": row["condition"], "region_name": name, "content": row[name]}
        for name in "abc"
        for row in WIDE
    ]
    spans, dots = [], []
    for row in WIDE:
        parts = [(name, row[name]) for name in "abc"]
        text, begin = " ".join(part for _, part in parts if part), 0
        places = {}
        for name, part in parts:
            begin = text.index(part, begin)
            places[name] = [begin, begin + len(part)]
            begin += len(part)
        about = {"item": row["item"], "condition": row["condition"], "text": text}
        spans.append({**about, "spans": places})
        dots.append({**about, "spans": json.dumps(list(places.values()))})
    numbered = [one.replace(".a", ".1").replace(".b", ".2") for one in NAMED]
    return {
        "wide": (WIDE, {"fields": {"regions": "a,b,c"}, "criterion": NAMED}),
        "scattered": (
            sorted(WIDE, key=lambda row: row["condition"]),
            {"fields": {"regions": "a,b,c"}, "criterion": NAMED},
        ),
        "long": (long, {"criterion": NAMED}),
        "spans": (spans, {"criterion": NAMED}),
        "spans in a list, as text": (dots, {"criterion": numbered}),
        "criteria in a file": (WIDE, {"fields": {"regions": "a,b,c"}, "criteria": "\n" + "\n\n".join(NAMED)}),
    }


@pytest.mark.parametrize("form", other_forms())
def test_other_forms_of_rows_give_the_same(tmp_path: Path, form: str) -> None:
    rows, settings = other_forms()[form]
    run = made_run(tmp_path, rows, **settings)
    found = figures(run)
    for name, value in expected_figures().items():
        assert found[name] == pytest.approx(value, abs=CLOSE), name
    assert [row["id"] for row in stored_rows(run)] == ["0", "1", "2"]


def test_a_dataset_of_the_datasets_library_has_lists_of_columns(tmp_path: Path) -> None:
    rows = []
    for item in suite()["items"]:
        turned = {name: [one[name] for one in item["conditions"]] for name in ("condition_name", "regions")}
        turned["regions"] = [{key: [r[key] for r in one] for key in one[0]} for one in turned["regions"]]
        rows.append(
            {"suite_name": "s", "item_number": item["item_number"], "conditions": turned, "predictions": FORMULAS}
        )
    assert figures(made_run(tmp_path, rows))["accuracy"] == expected_figures()["accuracy"]


def test_suites_keep_their_own_criteria(tmp_path: Path) -> None:
    (tmp_path / "suites").mkdir()
    for name, formulas in (("one", FORMULAS[:1]), ("two", [*FORMULAS, "1 > 2"]), ("none", [])):
        (tmp_path / "suites" / f"{name}.json").write_text(json.dumps(suite(name, formulas)))
    run = made_run(tmp_path, tmp_path / "suites")
    assert run.summary is not None
    by_name = {(one["name"], one["group"]): one for one in run.summary["figures"]}
    own = expected_figures()
    assert by_name["accuracy", "one"]["value"] == own["criterion_1"] and by_name["accuracy", "two"]["value"] == 0.0
    assert by_name["criterion_3", None]["count"] == 3 and by_name["criterion_1", None]["count"] == 6
    assert ("accuracy", "none") not in by_name and len(run.summary["signature"]) < 2000
    task = stored_task(run.fingerprint["task"])
    assert task.settings == run.fingerprint["task"] and stored_task(task.settings).settings == task.settings


def test_a_suite_in_memory(tmp_path: Path) -> None:
    run = evaluate(tiny_scorer(), "criteria", suite(), resamples=100)
    assert run.figures["accuracy"].value == expected_figures()["accuracy"]
    flat = run.to_pandas(per="item")
    assert list(flat["correct"]) == [bool(one) for one in flat["criterion_1"] & flat["criterion_2"]]
    with pytest.raises(OptionError, match="tokens of a text, so they must be kept: keep='tokens'"):
        evaluate(tiny_scorer(), "criteria", suite(), keep="scores")
    with pytest.raises(OptionError, match="criterion=3 must be a criterion"):
        make_task("criteria", ["conditions"], criterion=3)


def test_tokens_over_the_end_of_a_region(tmp_path: Path) -> None:
    """'answer' is one token: it belongs to where it begins, and the region that it swallows has no surprisal."""
    rows = [
        {"item": 1, "a": "the ans", "b": "wer", "c": " is the end"},
        {"item": 2, "a": "the", "b": " fox", "c": " is"},
    ]
    run = made_run(
        tmp_path, rows, fields={"regions": "a,b,c"}, delimiter="", criterion=["sum(b) > 0", "sum(a) + sum(c) > 0"]
    )
    tokens = token_bits("the answer is the end")
    assert any(start < 7 < end for start, end, _ in tokens), "there is such a token"
    (first, second) = (scored_regions(row)["text"] for row in stored_rows(run))
    assert [one.num_crossing for one in first] == [1, 1, 0] and [one.num_crossing for one in second] == [0, 0, 0]
    assert math.isnan(first[1].metric("sum")) and second[1].metric("sum") > 0
    black = sum(bits for start, _, bits in tokens if start < 7)
    assert first[0].metric("sum") == pytest.approx(black, abs=CLOSE)
    assert math.fsum(bits for one in first for bits in one.bits) == pytest.approx(sum(b for *_, b in tokens), abs=CLOSE)
    assert run.summary is not None and {"figure": "accuracy", "rows": 1, "reason": NO_VALUE} in run.summary["left_out"]
    assert figures(run)["criterion_2"] == 1.0 and figures(run)["crossing"] == 2 / 6


def test_a_region_with_a_token_that_is_not_scored_has_no_surprisal(tmp_path: Path) -> None:
    criteria = ["sum(bad.a) = sum(good.a)", "sum(bad.*) > 0", "sum(bad.b) > 0"]
    settings = {"fields": {"regions": "a,b,c"}, "criterion": criteria}
    run = made_run(tmp_path, WIDE[:2], policies={"bos": "none"}, **settings)
    (row,) = stored_rows(run)
    assert [math.isnan(one.metric("sum")) for one in scored_regions(row)["good"]] == [True, False, False]
    found = figures(run)
    assert found["criterion_1"] is None and found["criterion_2"] is None and found["criterion_3"] == 1.0


def test_more_conditions_than_a_picture_can_show_are_told(tmp_path: Path) -> None:
    rows = [{"item": 1, "condition": f"c{place}", "a": "The", "b": "fox", "c": "ran."} for place in range(9)]
    run = made_run(tmp_path / "few", rows[:8], fields={"regions": "a,b,c"})
    assert len(charts_of_run(run)["words"].panels[0].lines) == 8
    run = made_run(tmp_path / "many", rows, fields={"regions": "a,b,c"})
    with pytest.warns(SeqscoreWarning, match=r"no picture of surprisal by region: 'condition' has more than 8 values"):
        charts = charts_of_run(run)
    assert "words" not in charts


def test_an_end_of_text_belongs_to_the_last_region(tmp_path: Path) -> None:
    run = made_run(tmp_path, WIDE[:2], fields={"regions": "a,b,c"}, policies={"eos": "scored"})
    for item in next(stored_rows(run))["items"]:
        assert item["num_scored"] == sum(len(one.bits) for one in scored_regions({"items": [item]})[item["role"]])
    assert "accuracy" not in figures(run) and figures(run)["mean_surprisal"] > 0, "without criteria, surprisals alone"


def test_a_context_is_read_and_not_scored(tmp_path: Path) -> None:
    rows = [{**row, "before": "Über the fox."} for row in WIDE]
    run = made_run(tmp_path, rows, fields={"regions": "a,b,c", "context": "before"})
    for row, parts in zip(stored_rows(run), conditions(), strict=True):
        for name, regions in scored_regions(row).items():
            text = " ".join(one for one in parts[name] if one)
            tokens = token_bits(f"Über the fox. {text}")
            last = sum(
                bits for start, _, bits in tokens if start >= len("Über the fox. ") + text.rindex(parts[name][2]) - 1
            )
            assert regions[2].metric("sum") == pytest.approx(last, abs=CLOSE)


def broken(change: Any) -> dict[str, Any]:
    found = suite()
    change(found)
    return found


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (suite(formulas=["(4;%bad%) > 1"]), "suite 'agreement': .* no region '4'; its regions are '1 .subject.'"),
        (suite(formulas=["(1;%worse%) > 1"]), "no condition 'worse'; the conditions are 'good', 'bad'"),
        (suite(formulas=["(1;%bad%) >> 1"]), "a number or a region is expected"),
        (suite(predictions=[{"type": "formula"}]), "a prediction must be"),
        (suite(meta={"name": "x", "metric": "surprise"}), "metric 'surprise' is unknown; expected one of sum, mean"),
        (suite(meta={"name": "x", "metric": {"1": "sum"}}), "metric {'1': 'sum'} is unknown; expected one of sum"),
    ],
)
def test_suites_that_cannot_be_right_are_refused_before_anything_is_scored(
    tmp_path: Path, data: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        made_run(tmp_path, data)
    assert not (tmp_path / "run").exists()


def test_criteria_that_are_given_are_refused_as_options(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="there is no condition 'worse'; the conditions are 'good', 'bad'"):
        made_run(tmp_path, WIDE, fields={"regions": "a,b,c"}, criterion=["sum(worse.a) > 1"])
    with pytest.raises(OptionError, match="there is no column 'd' for regions"):
        made_run(tmp_path, WIDE, fields={"regions": "a,b,d"})


def first(found: dict[str, Any], place: int = 0) -> Any:
    return found["items"][0]["conditions"][place]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s["items"][0].update(conditions=first(s)), "conditions' must be a list of objects"),
        (lambda s: s["items"][0]["conditions"].pop(), "item '1' has no condition 'bad', which criterion 1 names"),
        (lambda s: first(s, 1)["regions"].pop(1), "has no region '2' in condition 'bad', which criterion 1 names"),
        (lambda s: first(s)["regions"][0].pop("content"), "a region must have a region_number and a content"),
        (lambda s: first(s)["regions"][0].update(region_number=2), "has region '2' twice"),
        (lambda s: first(s, 1).update(condition_name="good"), "item '1' has condition 'good' twice"),
        (lambda s: first(s).pop("condition_name"), "condition_name must be a text"),
        (lambda s: first(s).update(regions="a b"), "regions must be a list of objects, got a text"),
        (lambda s: s["items"][0].update(conditions=[]), "item '1' has no condition"),
        (lambda s: s["items"].insert(0, 7), "must be a JSON object"),
        (lambda s: first(s).update(more=json.loads("[" * 150 + "]" * 150)), "nested more than 100 levels deep"),
    ],
)
def test_items_that_do_not_fit_are_recorded(tmp_path: Path, change: Any, said: str) -> None:
    run = made_run(tmp_path, broken(change))
    bad, *good = stored_rows(run)
    assert said in bad["error_message"]
    assert all(row["error_code"] is None for row in good) and figures(run)["criterion_1"] is not None


@pytest.mark.parametrize(
    ("rows", "fields", "said"),
    [
        ([WIDE[0], WIDE[0]], {"regions": "a,b"}, "item '0' has condition 'good' twice"),
        ([{"item": 0, "a": "x"}, {"item": 0, "a": "y"}], {"regions": "a"}, "several rows and no column that names"),
        ([{"item": None, "a": "x"}, {"item": 1, "a": "y"}], {"regions": "a"}, "is empty; expected the name of an item"),
        ([{"text": "a b", "spans": [[0, 9]]}], None, "does not lie in order within the 3 characters"),
        ([{"text": "a b", "spans": [[2, 3], [0, 1]]}], None, "behind character 3"),
        ([{"text": "a b", "spans": [[0, True]]}], None, "expected [start, end], two whole numbers"),
        ([{"text": "a b", "spans": "[[0, 1"}], None, "column 'spans' is not JSON"),
        ([{"text": "a b", "spans": 3}], None, "is a number; expected [[start, end], ...]"),
        ([{"item": 1, "region": None, "content": "a"}], None, "is empty; expected the name of a region"),
    ],
)
def test_rows_that_do_not_fit_are_recorded(tmp_path: Path, rows: Any, fields: Any, said: str) -> None:
    run = made_run(tmp_path, rows, fields=fields)
    assert said in next(stored_rows(run))["error_message"]


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    whole = made_run(tmp_path / "whole", suite())
    (tmp_path / "stopped").mkdir()
    job = job_of(tmp_path / "whole" / "data.json")

    def stop(told: Any) -> None:
        if told.rows == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.run(tiny_scorer(), tmp_path / "stopped" / "run", report=stop)
    assert read_run(tmp_path / "stopped" / "run").summary is None
    job.run(tiny_scorer(), tmp_path / "stopped" / "run", report=lambda told: None)
    assert files(tmp_path / "stopped" / "run") == files(whole.path)


def test_two_runs_are_compared_reported_and_drawn(tmp_path: Path) -> None:
    other = made_run(tmp_path / "b", suite(), policies={"bos": "</s>"})
    run = made_run(tmp_path / "a", tmp_path / "b" / "data.json")
    found = compare(run.path, other.path)
    assert {"accuracy", "criterion_1", "mean_margin"} <= {one.name for one in found.measures}
    assert found.by == "mean_margin" and found.num_rows == 3
    page = report(run.path, tmp_path / "page.html", other=other.path).read_text()
    assert "one two the other three" in page
    drawn = {path.stem for path in plot(run.path, tmp_path / "figures", other=other.path, items=["1"], picture="png")}
    assert {"margins", "scatter", "words"} <= drawn and any("surprisal" in one for one in drawn)
    third = made_run(tmp_path / "c", tmp_path / "b" / "data.json", criterion=["1 > 0"])
    with pytest.raises(OptionError, match="the runs differ in their criterion"):
        compare(run.path, third.path)


def test_a_row_a_region(tmp_path: Path) -> None:
    run = made_run(tmp_path, suite())
    records = [one.fields for one in exported(run, per="region", unit=usual_layout(run, "region")[1])]
    assert len(records) == 3 * 2 * 3 and set(records[0]) <= set(export_fields(run, per="region"))
    whole = [bits for one in conditions() for parts in one.values() for bits in regions_by_hand(parts)]
    assert [one["surprisal"] for one in records] == pytest.approx(whole, abs=CLOSE)
    assert {one["unit"] for one in records} == {"bits"}
    assert [one["text"] for one in records[6:9]] == ["The  cat", "Über", "über"]
    assert [one["num_words"] for one in records[6:9]] == [2, 1, 1]
    assert [(one["condition"], one["position"], one["region"]) for one in records[:4]] == [
        *(("good", place, str(place)) for place in (1, 2, 3)),
        ("bad", 1, "1"),
    ]


@pytest.mark.parametrize(
    ("parts", "delimiter", "text", "places"),
    [
        (["a", "b c"], " ", "a b c", ["a", "b c"]),
        (["", "a", " ", "b", ""], " ", "a b", ["", "a", "", "b", ""]),
        (["a ", "b", "\tc"], " ", "a b\tc", ["a", "b", "c"]),
        (["猫が", "好き", "です。"], "auto", "猫が好きです。", ["猫が", "好き", "です。"]),
        (["the", "cat", "猫"], "auto", "the cat 猫", ["the", "cat", "猫"]),
        (["ก", "ข"], " ", "ก ข", ["ก", "ข"]),
        (["wo", "rd"], "", "word", ["wo", "rd"]),
        ([], " ", "", []),
    ],
)
def test_regions_make_a_text(parts: list[str], delimiter: str, text: str, places: list[str]) -> None:
    found, regions = sentence_of([(str(place), one) for place, one in enumerate(parts)], delimiter)
    assert found == text
    assert [found.encode()[one.begin : one.end].decode() for one in regions] == places
    assert [one.num_words for one in regions] == [len(one.split()) for one in places]


def test_spans_leave_the_rest_of_the_text_to_no_region() -> None:
    regions = spans_of("ä critical word here", [("w", [2, 10]), ("x", (16, 20))], "row 0")
    assert [(one.label, one.begin, one.end) for one in regions] == [
        (None, 0, 2),
        ("w", 3, 11),
        (None, 12, 16),
        ("x", 17, 21),
    ]


def test_names_that_are_no_unicode_are_escaped(tmp_path: Path) -> None:
    rows = [{"item": "\ud800", "condition": "c\ud800", "text": "the cat", "spans": {"r\ud800": [0, 3]}}]
    run = made_run(tmp_path, rows, criterion=[r"sum(c\ud800.r\ud800) > 0"])
    assert figures(run)["accuracy"] == 1.0
    assert [one.fields["region"] for one in exported(run, per="region")] == [r"r\ud800"]


def test_ten_megabytes_of_suite_are_read(tmp_path: Path) -> None:
    big = suite(meta={"name": "big", "metric": "sum", "comment": "x" * 10_000_000})
    assert made_run(tmp_path, big).num_rows == 3
