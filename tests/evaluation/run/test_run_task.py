from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seqscore import Scorer
from seqscore.engine.packed import PackedEngine
from seqscore.errors import InputError, OptionError
from seqscore.evaluation.data.dataset import DataRow
from seqscore.evaluation.read.compare import compare_runs
from seqscore.evaluation.read.measures import measures_of_run, task_of_run
from seqscore.evaluation.read.reports import report_of_runs
from seqscore.evaluation.run import run_task as run_module
from seqscore.evaluation.run.progress import Progress
from seqscore.evaluation.run.run_folder import read_run
from seqscore.evaluation.run.run_options import RunOptions
from seqscore.evaluation.run.run_task import dry_run, evaluate
from seqscore.evaluation.run.summary import run_signature
from seqscore.evaluation.tasks.protocol_task import PROTOCOL_POLICIES, ProtocolTask, protocol_settings
from seqscore.evaluation.tasks.protocol_windows import num_words
from seqscore.evaluation.tasks.registry import guess_fields
from seqscore.evaluation.tasks.rows import TaskRow
from seqscore.models.causal import CausalModel
from seqscore.output.evaluations import print_citation, print_summary
from seqscore.output.report.page import report_html, write_report
from seqscore.plan.chunks import ChunkLimits
from seqscore.scores.statistics.intervals import Sums, bootstrap_interval, wilson_interval
from seqscore.text.items import Pair
from tests.evaluation.evaluated import OPTIONS, dataset, figures, files, made, rows_of, run_task, tiny_scorer
from tests.evaluation.killed import FILES, calls_of, killed_before
from tests.masked_models import masked_model, word_pieces
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

ROOT = Path(__file__).resolve().parents[3]
PAIRS = [{"good": f"the {a} cat sat {i}", "bad": f"cat {a} the sat {i}"} for i, a in enumerate("abcdefghij")]


class Stop(Exception):
    pass


@pytest.mark.parametrize("stop", [1, 4, 7, 10])
def test_stopped_and_gone_on_with_is_the_same_bytes(tmp_path: Path, stop: int) -> None:
    data = dataset(tmp_path / "data.jsonl", PAIRS)
    task = made("pairs", data)
    evaluate(tiny_scorer(), data, task, tmp_path / "whole", options=OPTIONS)

    def report(progress: Progress) -> None:
        if progress.rows - progress.resumed == stop:
            raise Stop

    with pytest.raises(Stop):
        evaluate(tiny_scorer(), data, task, tmp_path / "run", options=OPTIONS, report=report)
    assert read_run(tmp_path / "run").num_parts == (stop - 1) // 3
    seen: list[Progress] = []
    evaluate(tiny_scorer(), data, task, tmp_path / "run", options=OPTIONS, report=seen.append)
    assert seen[0].resumed == (stop - 1) // 3 * 3
    assert seen[-1].rows == 10
    assert files(tmp_path / "run") == files(tmp_path / "whole")


def test_parts_of_other_sizes_hold_the_same_scores(tmp_path: Path) -> None:
    found = []
    for part_rows in (1, 4, 100):
        (tmp_path / str(part_rows)).mkdir()
        run = run_task(tmp_path / str(part_rows), "pairs", PAIRS, replace(OPTIONS, part_rows=part_rows))
        found.append((rows_of(run), run.summary))
    assert found[0] == found[1] == found[2]


def test_changed_input_is_noticed_even_where_its_name_says_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    """A file's digest is in the fingerprint; standard input has none, so parts carry the digest of their rows."""
    data = dataset(tmp_path / "data.jsonl", PAIRS)
    described = replace(data, description={"file 0": "standard input"})
    task = made("pairs", data)

    def report(progress: Progress) -> None:
        if progress.rows == 7:
            raise Stop

    with pytest.raises(Stop):
        evaluate(tiny_scorer(), described, task, tmp_path / "run", options=OPTIONS, report=report)
    other = dataset(tmp_path / "other.jsonl", [*PAIRS[:4], {"good": "x", "bad": "y"}, *PAIRS[5:]])
    with pytest.raises(InputError, match="the input is not what part 1"):
        evaluate(
            tiny_scorer(), replace(other, description=described.description), task, tmp_path / "run", options=OPTIONS
        )
    short = dataset(tmp_path / "short.jsonl", PAIRS[:5])
    with pytest.raises(InputError, match="the input is not what part 1"):
        evaluate(
            tiny_scorer(), replace(short, description=described.description), task, tmp_path / "run", options=OPTIONS
        )


def test_another_model_or_setting_is_refused(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data.jsonl", PAIRS)
    task = made("pairs", data)
    evaluate(tiny_scorer(), data, task, tmp_path / "run", options=OPTIONS)
    before = files(tmp_path / "run")
    other = Scorer(tiny_model("llama", seed=1), tiny_tokenizer())
    with pytest.raises(OptionError, match=r"is a run of something else: model\.weights: "):
        evaluate(other, data, task, tmp_path / "run", options=OPTIONS)
    with pytest.raises(OptionError, match=r'model\.bos: "auto/1" -> "none"'):
        evaluate(tiny_scorer(), data, task, tmp_path / "run", options=replace(OPTIONS, policies={"bos": "none"}))
    with pytest.raises(OptionError, match=r'task\.delimiter: "auto" -> " "'):
        evaluate(tiny_scorer(), data, made("pairs", data, delimiter=" "), tmp_path / "run", options=OPTIONS)
    changed = dataset(tmp_path / "data.jsonl", PAIRS[:-1])
    with pytest.raises(OptionError, match=r"data\.file 0: .*xxh128"):
        evaluate(tiny_scorer(), changed, task, tmp_path / "run", options=OPTIONS)
    assert files(tmp_path / "run") == before


def test_threads_and_batches_count_only_where_bits_depend_on_them(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data.jsonl", PAIRS)
    padded = Scorer(tiny_model("llama"), tiny_tokenizer(), engine="padded", batch_tokens=100)
    evaluate(padded, data, made("pairs", data), tmp_path / "padded", options=OPTIONS)
    model = read_run(tmp_path / "padded").fingerprint["model"]
    assert model["batch_tokens"] == "100" and model["threads"] == str(torch.get_num_threads())
    evaluate(tiny_scorer(), data, made("pairs", data), tmp_path / "packed", options=OPTIONS)
    small = Scorer(tiny_model("llama"), tiny_tokenizer(), batch_tokens=32)
    evaluate(small, data, made("pairs", data), tmp_path / "packed", options=OPTIONS)  # complete: not refused


def test_what_is_kept(tmp_path: Path) -> None:
    kept = {}
    for keep in ("scores", "tokens", "all"):
        (tmp_path / keep).mkdir()
        run = run_task(tmp_path / keep, "pairs", PAIRS[:2], replace(OPTIONS, keep=keep))
        kept[keep] = rows_of(run)[0]["items"][0]
    assert {k: v for k, v in kept["scores"].items() if v is not None} == {
        k: v for k, v in kept["tokens"].items() if k in kept["scores"] and kept["scores"][k] is not None
    }
    score = tiny_scorer().score(PAIRS[0]["good"], extras=("rank", "entropy"))
    assert kept["tokens"]["logprobs"] == score.logprobs.tolist()
    assert kept["all"]["ranks"] == score.ranks.tolist()  # type: ignore[union-attr]
    assert kept["all"]["entropies"] == score.entropies.tolist()  # type: ignore[union-attr]
    text = kept["tokens"]["text"].encode()
    spans = zip(kept["tokens"]["starts"], kept["tokens"]["ends"], strict=True)
    assert b"".join(text[a:b] for a, b in spans) == text
    with pytest.raises(OptionError, match="keep='none'"):
        RunOptions(policies={}, keep="none")  # type: ignore[arg-type]


def test_errors_of_the_scorer_are_recorded(tmp_path: Path) -> None:
    long = " ".join("word" for _ in range(200))
    rows = [PAIRS[0], {"good": long, "bad": "a"}, PAIRS[1], {"good": "a\ud800", "bad": "b"}]
    run = run_task(tmp_path, "pairs", rows, replace(OPTIONS, policies={"long": "error"}))
    stored = rows_of(run)
    assert [row["error_code"] for row in stored] == [None, "too_long", None, "bad_input"]
    assert stored[2]["items"] == rows_of(run_task(tmp_path / "alone", "pairs", [PAIRS[1]]))[0]["items"]
    assert run.summary is not None
    assert run.summary["errors"] == {"bad_input": 1, "too_long": 1}


def test_the_reasons_of_errors_stand_in_the_summary(tmp_path: Path) -> None:
    rows: list[Any] = [{"good": "", "bad": f"b {n}"} for n in range(4)] + [{"good": "a", "bad": None}, {"good": "a"}]
    run = run_task(tmp_path, "pairs", [{**row, "context": "c"} for row in rows])
    assert run.summary is not None and run.summary["scored"] == 0
    first, *others = run.summary["error_reasons"]
    assert first["count"] == 4 and first["message"].startswith("good: ") and "empty" in first["message"]
    assert first["places"] == ["row 0", "row 1", "row 2"]
    assert sorted(one["message"] for one in others) == [
        "column 'bad' is null; the row has no text there",
        "has no column 'bad'; its columns are 'good', 'context'",
    ]
    assert others[0]["places"][0].endswith("data.jsonl', line 5")


def test_a_run_in_which_all_rows_fail_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_task(tmp_path, "choices", [{"query": "Two plus two is", "choices": ["four", ""], "gold": 0}])
    assert run.summary is not None
    print_citation(str(run_signature(run)), run.summary)
    print_summary(run.summary)
    shown = capsys.readouterr().out
    why = "1 bad_input: choice 2: the continuation is empty"
    assert shown.count("0 of 1 rows scored; errors: 1 bad_input") == 2 and shown.count(why) == 2
    assert f'<li dir="auto">{why}' in report_html(report_of_runs((run.path,)))


def test_what_is_left_out_unknown_or_split_is_stored_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = " ".join("word" for _ in range(200))
    rows = [
        {"query": "a", "choices": ["b", "c"], "gold": 0},
        {"query": long, "choices": ["b", "c"], "gold": 0},
        {"query": long + " x", "choices": ["b", "c d"], "gold": 0},
    ]
    pairs = [Pair(row["query"], " " + choice) for row in rows for choice in row["choices"]]  # type: ignore[operator]
    alone = tiny_scorer().score(pairs)
    unread = [one.num_unread for one in alone]
    # The model reads the 64 tokens before the last one, which is predicted alone.
    assert unread == [max(0, one.num_tokens - 1 - 64) for one in alone] and min(unread[2:]) > 200

    stream = Scorer.stream_chunks

    def flagged(self: Scorer, chunks: Any, **policies: Any) -> Any:
        for score in stream(self, chunks, **policies):
            yield replace(score, num_unknown=3, boundary="spanned") if score.context == "a" else score

    monkeypatch.setattr(Scorer, "stream_chunks", flagged)
    seen: list[Progress] = []
    data = dataset(tmp_path / "data.jsonl", rows)
    task = made("choices", data, unconditional=False)
    run = evaluate(tiny_scorer(), data, task, tmp_path / "run", options=OPTIONS, report=seen.append)
    stored = [item for row in rows_of(run) for item in row["items"]]
    assert [item["num_unread"] for item in stored] == unread
    assert [item["num_unknown"] for item in stored] == [3, 3, 0, 0, 0, 0]
    summary = run.summary
    assert summary is not None
    assert (summary["tokens_unread"], summary["rows_unread"]) == (sum(unread), 2)
    assert (summary["tokens_unknown"], summary["rows_unknown"]) == (6, 1)
    assert sum(summary["boundaries"].values()) == 6 and summary["boundaries"]["spanned"] >= 2
    assert [(one.unread, one.row) for one in seen] == [
        *[(0, None), (0, "0"), (sum(unread[:4]), "1"), (sum(unread), "2")]
    ]


def test_the_summary_has_the_intervals_of_the_stored_rows(tmp_path: Path) -> None:
    run = run_task(tmp_path, "pairs", PAIRS, replace(OPTIONS, level=0.9, seed=3))
    assert run.summary is not None
    shown = {one["name"]: one for one in run.summary["figures"]}
    hits = sum(row["items"][0]["log_likelihood"] > row["items"][1]["log_likelihood"] for row in rows_of(run))
    wilson = wilson_interval(hits, 10, level=0.9)
    assert wilson is not None
    assert (shown["accuracy"]["interval"]["low"], shown["accuracy"]["interval"]["high"]) == (wilson.low, wilson.high)
    margins = [row["items"][0]["log_likelihood"] - row["items"][1]["log_likelihood"] for row in rows_of(run)]
    bootstrap = bootstrap_interval(Sums.of(margins), "ratio", level=0.9, resamples=100, seed=3)
    assert bootstrap is not None
    assert shown["mean_margin"]["interval"] == {
        "low": bootstrap.low,
        "high": bootstrap.high,
        "level": 0.9,
        "method": "percentile bootstrap, 100 resamples, seed 3",
    }


def test_a_run_knows_its_task_and_signature(tmp_path: Path) -> None:
    run = run_task(tmp_path, "choices", [{"query": "q", "choices": ["a", "b"], "gold": 0}], prefix="x ")
    assert task_of_run(run).settings == run.fingerprint["task"]
    assert set(measures_of_run(run)) == {measure.name for measure in task_of_run(run).measures()}
    fields = dict(run_signature(run).fields)
    assert str(run_signature(run)) == run.summary["signature"]  # type: ignore[index]
    assert fields["task.prefix"] == "x " and fields["weights"] == tiny_scorer().description.weights
    assert fields["data.file"].startswith("data.jsonl ")


# -- protocols, on texts, beside implementations that run the model themselves ----------------------------------------

TEXTS = ["The cat sat on the mat and the dog sat too.", "", "A b c d e f g.", "x", "<s> one </s> two three four"]


@torch.no_grad()
def logprobs_of(window: list[int]) -> list[float]:
    table = torch.log_softmax(tiny_model("llama", dtype=torch.float64)(torch.tensor([window])).logits[0], -1)
    return [float(table[i - 1, window[i]]) for i in range(1, len(window))]


def protocol_run(folder: Path, name: Any, texts: list[str], **settings: Any) -> dict[str, Any]:
    scorer = Scorer(tiny_model("llama", dtype=torch.float64), tiny_tokenizer(), engine="reference")
    data = dataset(folder / "data.jsonl", [{"text": text} for text in texts])
    task = ProtocolTask(
        fields=guess_fields("perplexity", data.columns),
        protocol=protocol_settings(name, scorer, **settings),
        tokenizer=scorer.tokenizer,
    )
    options = RunOptions(policies=PROTOCOL_POLICIES, part_rows=2, resamples=100)  # type: ignore[arg-type]
    return figures(evaluate(scorer, data, task, folder / "run", options=options))


def ids_of(text: str, *, special: bool) -> list[int]:
    found: list[int] = tiny_tokenizer()(text, add_special_tokens=special)["input_ids"]
    return found


def test_protocol_lm_eval(tmp_path: Path) -> None:
    size, total = 8, 0.0
    for text in TEXTS:
        ids, done = ids_of(text, special=False), 0
        while done < len(ids):
            end = min(done + size, len(ids))
            read = [1, *ids[:end]] if done == 0 else ids[max(0, end - size - 1) : end]
            total += sum(logprobs_of(read)[-(end - done) :])
            done = end
    found = protocol_run(tmp_path, "lm-eval", TEXTS, window=size)
    words, sizes = sum(num_words(text) for text in TEXTS), sum(len(text.encode()) for text in TEXTS)
    assert found["word_perplexity"] == pytest.approx(math.exp(-total / words), rel=1e-9)
    assert found["byte_perplexity"] == pytest.approx(math.exp(-total / sizes), rel=1e-9)
    assert found["bits_per_byte"] == pytest.approx(-total / sizes / math.log(2), rel=1e-9)


def test_protocol_evaluate(tmp_path: Path) -> None:
    texts = [text for text in TEXTS if text]
    each = [math.exp(-np.mean(logprobs_of([1, *ids_of(text, special=False)]))) for text in texts]
    assert protocol_run(tmp_path, "evaluate", TEXTS)["mean_perplexity"] == pytest.approx(np.mean(each), rel=1e-9)


def test_protocol_gptq_and_transformers(tmp_path: Path) -> None:
    ids, size = ids_of("\n\n".join(TEXTS), special=True), 8
    windows = [ids[begin : begin + size] for begin in range(0, len(ids) // size * size, size)]
    value = math.exp(-sum(sum(logprobs_of(one)) / (size - 1) for one in windows) / len(windows))
    assert protocol_run(tmp_path, "gptq", TEXTS, window=size)["perplexity"] == pytest.approx(value, rel=1e-9)
    total, count, scored = 0.0, 0, 0
    for begin in range(0, len(ids), 3):
        end = min(begin + size, len(ids))
        fresh = logprobs_of(ids[begin:end])[-(end - scored) :] if begin else logprobs_of(ids[:end])
        # The page's trg_len - 1 labels of a window, however many of them are new.
        weight = (end - scored) - 1
        total, count = total - sum(fresh) / len(fresh) * weight, count + weight
        scored = end
        if end == len(ids):
            break
    (tmp_path / "t").mkdir()
    found = protocol_run(tmp_path / "t", "transformers", TEXTS, window=size, stride=3)
    assert found["perplexity"] == pytest.approx(math.exp(total / count), rel=1e-9)


def test_protocol_llama_cpp(tmp_path: Path) -> None:
    ids, size, values = ids_of("\n\n".join(TEXTS), special=False), 8, []
    for begin in range(0, len(ids) // size * size, size):
        window = ids[begin : begin + size]
        if tiny_tokenizer()("a")["input_ids"][0] == 1:
            window[0] = 1
        values += [-logprobs_of(window)[target - 1] for target in range(size // 2 + 1, size)]
    found = protocol_run(tmp_path, "llama.cpp", TEXTS, window=size)
    assert found["perplexity"] == pytest.approx(math.exp(np.mean(values)), rel=1e-9)


def test_protocols_are_read_back_and_checked(tmp_path: Path) -> None:
    protocol_run(tmp_path, "gptq", TEXTS, window=8)
    run = read_run(tmp_path / "run")
    assert task_of_run(run).settings == run.fingerprint["task"]
    assert run.fingerprint["model"]["bos"] == "none"
    with pytest.raises(OptionError, match="window=4096 is longer than the model reads"):
        protocol_settings("gptq", tiny_scorer(), window=4096)
    with pytest.raises(
        OptionError, match="protocol 'lm-eval' is for models that read from left to right, and this is a"
    ):
        protocol_settings("lm-eval", Scorer(masked_model("bert"), word_pieces()))
    data = dataset(tmp_path / "bad.jsonl", [{"text": "a"}, "{"])
    task = ProtocolTask(
        fields=guess_fields("perplexity", data.columns),
        protocol=protocol_settings("gptq", tiny_scorer(), window=2),
        tokenizer=tiny_tokenizer(),
    )
    with pytest.raises(InputError, match="line 2 is not JSON"):
        list(task.entries(data))


def test_a_dry_run_counts_what_the_engine_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"query": "a long question about it", "choices": ["one", "two", "three"], "gold": 0}] * 3 + ["{"]
    data = dataset(tmp_path / "data.jsonl", rows)
    found = dry_run(tiny_scorer(), data, made("choices", data), options=OPTIONS)
    work = found.workload
    assert (found.num_rows, found.num_errors, work.num_items) == (4, 1, 18)
    counted, distinct = [], []
    original = PackedEngine.run

    def run(self: PackedEngine, requests: Any, *, extras: Any) -> Any:
        counted.append((sum(r.num_inputs for r in requests), sum(r.num_targets for r in requests)))
        distinct.append(len({tuple(r.ids[:length]) for r in requests for length in range(1, len(r.ids))}))
        return original(self, requests, extras=extras)

    monkeypatch.setattr(PackedEngine, "run", run)
    evaluate(tiny_scorer(), data, made("choices", data), tmp_path / "run", options=OPTIONS)
    assert (work.num_inputs, work.num_targets) == tuple(sum(one) for one in zip(*counted, strict=True))
    assert work.num_run == work.num_distinct == sum(distinct)


def passages(count: int) -> list[dict[str, Any]]:
    """Each passage stands before two questions of three answers."""
    return [
        {"query": f"{number} " * 40 + f"question {question}?", "choices": ["one", "two", "three"], "gold": 0}
        for number in range(count)
        for question in range(2)
    ]


def positions_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scorer: Scorer, rows: list[Any], **changes: Any
) -> int:
    """How many positions a run's tries have."""
    data = dataset(tmp_path / "data.jsonl", rows)
    run = []
    original = PackedEngine._run_trie

    def counting(self: PackedEngine, trie: Any, *arguments: Any) -> Any:
        run.append(trie.num_rows)
        return original(self, trie, *arguments)

    monkeypatch.setattr(PackedEngine, "_run_trie", counting)
    evaluate(scorer, data, made("choices", data), tmp_path / "run", options=replace(OPTIONS, **changes))
    return sum(run)


def test_what_is_shared_runs_once_also_across_the_end_of_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer, rows = tiny_scorer(), passages(8)
    data = dataset(tmp_path / "all.jsonl", rows)
    entries = list(made("choices", data).entries(data))
    items = [item.item for entry in entries if isinstance(entry.row, TaskRow) for item in entry.row.items]
    distinct = scorer.workload(items, chunks="whole").num_distinct
    assert positions_run(tmp_path, monkeypatch, scorer, rows, part_rows=3) == distinct
    assert dry_run(scorer, data, made("choices", data), options=OPTIONS).workload.num_run == distinct


def test_a_chunk_ends_between_passages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = dataset(tmp_path / "all.jsonl", passages(8))
    entries = list(made("choices", data).entries(data))
    monkeypatch.setattr(run_module, "FULL", ChunkLimits(first=16, largest=16))
    chunks = [len(chunk) for chunk in run_module._chunks(entries, tiny_scorer())]
    assert chunks == [4, 4, 4, 4]  # 16 items are reached in the third row, whose passage the fourth shares


def test_a_run_is_one_stream_and_a_model_may_ask_ahead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [*passages(8), {"query": "q", "choices": []}, *passages(2)]
    data = dataset(tmp_path / "all.jsonl", rows)
    expected = evaluate(tiny_scorer(), data, made("choices", data), tmp_path / "whole", options=OPTIONS)
    monkeypatch.setattr(run_module, "FULL", ChunkLimits(first=16, largest=16))
    sizes = []

    def all_at_once(self: CausalModel, batches: Any, *, extras: Any) -> Any:
        waiting = list(batches)
        sizes.append(len(waiting))
        for batch in waiting:
            yield self.run(batch, extras=extras)

    monkeypatch.setattr(CausalModel, "stream", all_at_once)
    found = evaluate(tiny_scorer(), data, made("choices", data), tmp_path / "run", options=OPTIONS)
    assert len(sizes) == 1 and sizes[0] > 4
    assert files(found.path / "parts") == files(expected.path / "parts")


def test_a_dry_run_promises_no_sharing_that_an_engine_does_not_do(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data.jsonl", passages(2))
    runs = []
    for engine in ("packed", "cached", "padded", "reference"):
        scorer = Scorer(tiny_model("llama"), tiny_tokenizer(), engine=engine)
        work = dry_run(scorer, data, made("choices", data), options=OPTIONS).workload
        assert work.num_distinct is not None and work.num_inputs is not None and work.num_run is not None
        runs.append((work.num_run, work.num_distinct, work.num_inputs))
    packed, cached, padded, reference = runs
    assert packed[0] == packed[1]
    assert cached[1] < cached[0] < padded[0] < padded[2] and cached[1:] == padded[1:]
    assert reference[0] == reference[2] > reference[1]


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # a fork has no other
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_killed_at_any_moment(tmp_path: Path) -> None:
    """Killed before every so many of its calls that touch files, now and then twice: the bytes of a whole run."""
    rows: list[Any] = [{"good": f"the cat sat {i}", "bad": f"cat the {i} sat"} for i in range(14)]
    rows[4], rows[9] = "{", {"good": None, "bad": "x"}
    data = dataset(tmp_path / "data.jsonl", rows)
    task, scorer = made("pairs", data), tiny_scorer()

    def go_on(path: Path) -> None:
        evaluate(scorer, data, task, path, options=OPTIONS)

    go_on(tmp_path / "warm")
    calls = calls_of(lambda: go_on(tmp_path / "whole"), FILES)
    whole, parts, again = files(tmp_path / "whole"), set(), 0
    for number, stop in enumerate(range(1, calls + 1, calls // 12)):
        path = tmp_path / str(stop)
        assert killed_before(stop, lambda path=path: go_on(path), FILES), stop  # type: ignore[misc]
        parts.add(len(list(path.glob("parts/part-*.parquet"))))
        if number % 3 == 0:
            again += killed_before(calls // 3, lambda path=path: go_on(path), FILES)  # type: ignore[misc]
        go_on(path)
        assert files(path) == whole, stop
    assert calls >= 12 and len(parts) >= 4 and again >= 1, (calls, parts, again)


def test_rows_reach_the_task_as_they_are(tmp_path: Path) -> None:
    data = dataset(tmp_path / "data.jsonl", PAIRS[:1])
    row = next(data.rows())
    assert isinstance(row, DataRow)
    before = json.dumps(dict(row.values))
    list(made("pairs", data).entries(data))
    assert json.dumps(dict(row.values)) == before


def test_protocols_and_the_special_tokens_of_the_tokenizer(tmp_path: Path) -> None:
    """A tokenizer that puts its BOS in front: lm-eval leaves it away and sets its own, GPTQ takes it as it comes."""
    data = dataset(tmp_path / "data.jsonl", [{"text": "A b c d e f."}])
    ids = ids_of("A b c d e f.", special=False)
    first = {}
    for name in ("lm-eval", "gptq"):
        task = ProtocolTask(
            fields=guess_fields("perplexity", data.columns),
            protocol=protocol_settings(name, tiny_scorer(), window=4),  # type: ignore[arg-type]
            tokenizer=tiny_tokenizer(bos_in_front=True),
        )
        entry = next(task.entries(data))
        first[name] = entry.row.items[0].item  # type: ignore[union-attr]
    assert (first["lm-eval"].context, first["lm-eval"].continuation) == ([1], ids[:4])
    assert (first["gptq"].context, first["gptq"].continuation) == ([1], ids[:3])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resamples": 50}, "too few"),
        ({"resamples": 10**12}, "too many"),
        ({"level": 1.5}, "between 0 and 1"),
        ({"level": math.nan}, "between 0 and 1"),
        ({"seed": -1}, "seed=-1 must be at least 0"),
        ({"part_rows": 0}, "part_rows=0 must be 1 to"),
        ({"part_rows": 2**64}, "must be 1 to 1,000,000,000"),
    ],
)
def test_intervals_that_cannot_be_are_refused_before_anything_is_scored(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        RunOptions(policies={}, **options)


def test_what_is_no_unicode_beside_the_text_is_stored_as_an_escape(tmp_path: Path) -> None:
    rows = [{"good": "a b", "bad": "b", "category": "\ud800"}, {"good": "a\udfff", "bad": "b", "category": "x\udc00"}]
    run = run_task(tmp_path, "pairs", rows)
    assert [(row["group"], row["error_code"]) for row in rows_of(run)] == [
        ("\\ud800", None),
        ("x\\udc00", "bad_input"),
    ]
    assert {one["group"] for one in run.summary["figures"]} == {None, "\\ud800"}  # type: ignore[index]
    texts = [{"text": "a", "other": "\ud800 é"}, {"text": "b", "other": "y"}]
    (tmp_path / "texts").mkdir()
    kept = [row["columns"] for row in rows_of(run_task(tmp_path / "texts", "perplexity", texts))]
    assert [json.loads(row) for row in kept] == [{"other": row["other"]} for row in texts]


@pytest.mark.parametrize("depth", [99, 101, 500])
def test_values_nested_too_deep_are_the_rows_error(tmp_path: Path, depth: int) -> None:
    deep: Any = 1
    for level in range(depth):
        deep = [deep] if level % 2 else {"a": deep}
    path = tmp_path / "data.jsonl"
    data = dataset(path, [json.dumps({"text": "b", "x": deep}), {"text": "c"}])
    run = evaluate(tiny_scorer(), data, made("filter", data), tmp_path / "run", options=OPTIONS)
    messages = [row["error_message"] for row in rows_of(run)]
    assert messages[1] is None
    if depth < 100:
        assert messages[0] is None
    else:
        assert messages[0].endswith("line 1: a value is nested more than 100 levels deep")


def test_data_and_runs_whose_names_are_not_utf_8(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    data = dataset(folder / "b\udcfe.jsonl", PAIRS[:2])
    path = folder / "run\udcff"
    run = evaluate(tiny_scorer(), data, made("pairs", data), path, options=OPTIONS)
    assert run.fingerprint["data"]["file 0"].startswith("b\\udcfe.jsonl 108 bytes")
    assert dict(run_signature(run).fields)["data.file"].startswith("b\\udcfe.jsonl 108 bytes")
    assert compare_runs(path, path).num_rows == 2
    write_report(report_of_runs((path, path)), tmp_path / "page.html")
    assert "run\\udcff" in (tmp_path / "page.html").read_text("utf-8")
