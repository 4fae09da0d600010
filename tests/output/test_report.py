"""The report as a file: every number is the library's own, every text is escaped, nothing is loaded."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from pathlib import Path

import numpy as np
import pytest

from seqscore.errors import InputError, OptionError
from seqscore.evaluation.read.compare import compare_runs
from seqscore.evaluation.read.reports import report_of_runs
from seqscore.evaluation.read.views import view_run
from seqscore.output.report.page import report_html, write_report
from seqscore.output.report.payload import payload_of, script_json
from tests.evaluation.evaluated import run_task, tiny_scorer
from tests.output.reported import EVIL, PAIRS, TEXTS, options, read_page, report_of, unpacked


def test_every_figure_of_the_summary_is_on_the_page(tmp_path: Path) -> None:
    report, run = report_of(tmp_path, "pairs", PAIRS)
    reader, _ = read_page(report_html(report))
    assert run.summary is not None
    rows = [one for tag, one in reader.elements if tag == "tr" and "data-figure" in one]
    cells = [one for tag, one in reader.elements if tag == "td" and ("data-value" in one or "data-low" in one)]
    figures = run.summary["figures"]
    assert [(one["data-figure"], one["data-group"]) for one in rows] == [
        (one["name"], one["group"] or "") for one in figures
    ]
    for figure, value, interval in zip(figures, cells[::2], cells[1::2], strict=True):
        assert float(str(value["data-value"])) == figure["value"]
        assert float(str(interval["data-low"])) == figure["interval"]["low"]
        assert float(str(interval["data-high"])) == figure["interval"]["high"]
    assert run.summary["signature"] in "".join(reader.texts)
    assert "31 of 32 rows scored; errors: 1 bad_input" in "".join(reader.texts)


def test_every_token_is_on_the_page_with_every_digit(tmp_path: Path) -> None:
    report, _ = report_of(tmp_path, "perplexity", [{"text": text} for text in TEXTS])
    data = payload_of(report)
    tokens = {name: unpacked(packed) for name, packed in data["tokens"].items()}
    scores = tiny_scorer().score(TEXTS, extras=("rank", "entropy"))
    assert len(data["rows"]) == len(TEXTS)
    for number, (row, score) in enumerate(zip(data["rows"], scores, strict=True)):
        row_id, group, heading, error, values, items, others = row
        assert group is error is None and others == [] and heading == ("", 0)
        (item,) = items
        label, context, text, total, num_scored, chosen, right, parts_at, note, place = item
        assert (label, data["contexts"][context], text) == ("text", "", score.text)
        assert (total, num_scored) == (score.log_likelihood, score.num_scored)
        assert not chosen and not right and parts_at is None and note == ""
        first, pieces, token, begin = place
        span = slice(token, token + score.num_scored)
        assert np.array_equal(tokens["ids"][span], score.token_ids)
        assert np.array_equal(tokens["logprobs"][span], score.logprobs)
        assert np.array_equal(tokens["ranks"][span], score.ranks)
        assert np.array_equal(tokens["entropies"][span], score.entropies)
        lengths = tokens["lengths"][first : first + pieces]
        assert begin == 0 and int(lengths.sum()) == len(text.encode("utf-16-le")) // 2
        assert int(tokens["counts"][first : first + pieces].sum()) == score.num_scored
        named = dict(zip((one["key"] for one in data["columns"]), values, strict=True))
        assert named["perplexity"] == pytest.approx(score.perplexity, rel=1e-15)
        assert named["log_likelihood"] == score.log_likelihood and named["num_scored"] == score.num_scored
        assert named["bits_per_byte"] == pytest.approx(score.bits_per_byte, rel=1e-15)
        assert row_id == str(number)


def test_pieces_cut_the_text_where_the_tokens_do(tmp_path: Path) -> None:
    report, _ = report_of(tmp_path, "perplexity", [{"text": text} for text in TEXTS])
    data = payload_of(report)
    lengths = unpacked(data["tokens"]["lengths"])
    for row, view in zip(data["rows"], view_run(report.opened[0]), strict=True):
        (item,) = row[5]
        units = item[2].encode("utf-16-le")
        place, cut = item[9][3] * 2, []
        for length in lengths[item[9][0] : item[9][0] + item[9][1]].tolist():
            cut.append(units[place : place + 2 * length].decode("utf-16-le"))
            place += 2 * length
        assert cut == [piece.text for piece in view.items[0].pieces()]


def test_alternatives_part_at_the_first_other_token(tmp_path: Path) -> None:
    report, _ = report_of(tmp_path, "pairs", PAIRS)
    for row in payload_of(report)["rows"][:30]:
        good, bad = row[5]
        ids = [tiny_scorer().score(one[2]).token_ids.tolist() for one in (good, bad)]
        parted = next(i for i, (a, b) in enumerate(zip(*ids, strict=False)) if a != b)
        assert good[7] == bad[7] == parted > 0
        assert (good[0], good[6], bad[0], bad[6]) == ("good", True, "bad", False)
        assert good[5] == (good[3] > bad[3]) and bad[5] == (bad[3] > good[3])


def test_choices_share_their_context_and_say_which_is_chosen(tmp_path: Path) -> None:
    rows = [
        {"query": "The sky is", "choices": ["blue", "bluer", "red as it can be"], "gold": 2},
        {"query": "Water is", "choices": ["wet", "dry"], "gold": 0},
    ]
    report, run = report_of(tmp_path, "choices", rows)
    data = payload_of(report)
    assert data["contexts"].count("The sky is") == 1
    for row, view in zip(data["rows"], view_run(run), strict=True):
        choices = row[5]
        assert [item[0] for item in choices] == [f"choice {i}" for i in range(1, 1 + len(choices))], "no others"
        assert [item[6] for item in choices].index(True) == view.gold and sum(item[6] for item in choices) == 1
        totals = [item[3] for item in choices]
        assert [item[5] for item in choices] == [total == max(totals) for total in totals]
        assert row[2] == (rows[int(row[0])]["query"], None) and row[4][0] == float(
            totals.index(max(totals)) == view.gold
        )
        assert all(data["contexts"][item[1]] == rows[int(row[0])]["query"] for item in choices)


def test_contexts_that_differ_have_no_place_of_parting(tmp_path: Path) -> None:
    rows = [{"context_options": ["Ann saw Bob so Ann", "Ann saw Bob so Bob"], "continuation": "ran.", "gold": 0}]
    report, _ = report_of(tmp_path, "choices", rows)
    items = payload_of(report)["rows"][0][5]
    assert [item[7] for item in items] == [None, None] and len({item[1] for item in items}) == 2


def test_hypotheses_have_their_word_errors(tmp_path: Path) -> None:
    rows = [{"reference": "a b c", "hypotheses": ["a b c", "a x c"], "scores": [-1.0, -2.0]}]
    report, _ = report_of(tmp_path, "nbest", rows)
    items = payload_of(report)["rows"][0][5]
    assert [item[8] for item in items] == ["0 word errors", "1 word error"] and sum(item[5] for item in items) == 1
    assert payload_of(report)["rows"][0][2] == ("", [item[5] for item in items].index(True)), (
        "the chosen one stands for it"
    )


def test_sums_alone_are_shown_without_tokens(tmp_path: Path) -> None:
    report, _ = report_of(tmp_path, "pairs", PAIRS[:3], options=options(keep="scores"))
    data = payload_of(report)
    assert all(item[9] is None and item[7] is None for row in data["rows"] for item in row[5])
    assert "frequencies" not in {one["id"] for one in read_page(report_html(report))[0].named("figure")}


def test_ranks_are_left_out_where_they_were_not_kept(tmp_path: Path) -> None:
    report, _ = report_of(tmp_path, "pairs", PAIRS[:3], options=options(keep="tokens"))
    assert set(payload_of(report)["tokens"]) == {"lengths", "counts", "ids", "logprobs"}


def test_text_of_the_data_stays_text(tmp_path: Path) -> None:
    report, _ = report_of(tmp_path, "pairs", PAIRS)
    html = report_html(report, title=EVIL)
    reader, data = read_page(html)
    assert EVIL not in html and not reader.named("img") and not reader.named("b")
    assert "&lt;img src=x onerror=alert(1)&gt;" in html and EVIL in "".join(reader.texts)
    assert "&lt;b&gt;g&lt;/b&gt;" in html and data["rows"][30][5][0][2] == EVIL
    assert len(reader.named("script")) == 2 and html.count("</script") == 2
    for tag, attributes in reader.elements:
        assert not any(name.startswith("on") for name in attributes), tag


@pytest.mark.parametrize("text", ["</script>", "<!-- <script>", "]]>", "&lt;", "\u2028\u2029", "\ud800", '"\\'])
def test_data_cannot_end_its_element(text: str) -> None:
    shown = script_json({"a": [text, float("inf"), float("nan")]})
    assert not set("<>&\u2028\u2029") & set(shown)
    reader, data = read_page(f'<script type="application/json">{shown}</script><p>')
    expected = text.encode("utf-8", "replace").decode()
    assert data == {"a": [expected, "Infinity", None]} and len(reader.scripts) == 1


def test_nothing_is_loaded_and_no_other_script_may_run(tmp_path: Path) -> None:
    report, _ = report_of(tmp_path, "pairs", PAIRS)
    html = report_html(report)
    reader, _ = read_page(html)
    (policy,) = [one["content"] for one in reader.named("meta", http_equiv="Content-Security-Policy")]
    digest = base64.b64encode(hashlib.sha256(reader.scripts[1].encode()).digest()).decode()
    assert policy is not None and f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    loads = [
        value
        for _, attributes in reader.elements
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href", "action", "data") and value and not value.startswith("#")
    ]
    assert loads == ["data:,"]
    assert not re.search(r"url\((?!#)", html) and "@import" not in html


def test_the_same_run_gives_the_same_page(tmp_path: Path) -> None:
    report, run = report_of(tmp_path, "perplexity", [{"text": text} for text in TEXTS])
    write_report(report, tmp_path / "a.html")
    write_report(report_of_runs((run.path,)), tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_rows_that_are_left_out_are_counted(tmp_path: Path) -> None:
    report, _ = report_of(tmp_path, "perplexity", [{"text": text} for text in TEXTS], limit=5)
    reader, data = read_page(report_html(report))
    assert len(data["rows"]) == 5 and "the first 5 of 67 rows" in "".join(reader.texts)


def test_a_page_is_not_too_large_for_a_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report, _ = report_of(tmp_path, "perplexity", [{"text": "one two three four " * 20} for _ in range(9)])
    whole = payload_of(report)
    assert len(whole["rows"]) == 9
    tokens = len(unpacked(whole["tokens"]["ids"])) // 9
    monkeypatch.setattr("seqscore.output.report.payload._MAX_BYTES", 3 * (tokens * 32 + 380) + 10)
    assert len(payload_of(report)["rows"]) == 4
    assert write_report(report, tmp_path / "x.html") == 4
    shown = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "the first 4 of 9 rows (more would be too much for a browser)" in shown
    monkeypatch.setattr("seqscore.output.report.payload._MAX_BYTES", 0)
    assert len(payload_of(report)["rows"]) == 1, "one row at least"


def test_two_runs_side_by_side(tmp_path: Path) -> None:
    first = run_task(tmp_path / "a", "pairs", PAIRS, options(keep="tokens"))
    second = run_task(tmp_path / "b", "pairs", PAIRS, options(policies={"bos": "none"}))
    report = report_of_runs((first.path, second.path))
    found = compare_runs(first.path, second.path)
    reader, data = read_page(report_html(report))
    rows = [one for one in reader.elements if one[0] == "tr" and "data-measure" in one[1]]
    assert [one[1]["data-measure"] for one in rows] == [one.name for one in found.measures]
    cells = [one["data-value"] for tag, one in reader.elements if tag == "td" and "data-value" in one][-4 * len(rows) :]
    expected = [
        value for one in found.measures for value in (one.a, one.b, one.bootstrap.difference, one.randomisation.p_value)
    ]
    assert [float(str(cell)) for cell in cells] == expected
    assert [one["key"] for one in data["columns"]] == ["accuracy", "accuracy", *["mean_margin"] * 3]
    views = zip(view_run(first), view_run(second), strict=True)
    for row, (a, b) in zip(data["rows"], views, strict=True):
        if a.error is None:
            margins = [one.items[0].log_likelihood - one.items[1].log_likelihood for one in (a, b)]
            assert row[4][2:] == [*margins, margins[1] - margins[0]]
            assert len(row[6]) == 2 and row[6][0][3] == b.items[0].log_likelihood
    assert {"figure-scatter", "figure-groups", "figure-margins"} <= {one["id"] for one in reader.named("figure")}


def test_runs_of_other_data_are_not_compared(tmp_path: Path) -> None:
    first = run_task(tmp_path / "a", "pairs", PAIRS, options())
    second = run_task(tmp_path / "b", "pairs", PAIRS[:4], options())
    with pytest.raises(OptionError, match="different data"):
        report_of_runs((first.path, second.path))


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no run"):
        report_of_runs((tmp_path,))


def test_an_infinite_value_is_written_as_such(tmp_path: Path) -> None:
    assert script_json([math.inf, -math.inf]) == '["Infinity","-Infinity"]'


def test_the_page_s_shades_are_everyone_s() -> None:
    from seqscore.scores.show.surprisal_scale import COLOURS, LETTER_COLOURS

    style = (Path(__file__).parents[2] / "seqscore/output/report/page.css").read_text(encoding="utf-8")
    root = style[: style.index(':root[data-theme="dark"]')]
    assert re.findall(r"--s\d: (#\w+)", root) == list(COLOURS) and re.findall(r"--t\d: (#\w+)", root) == list(
        LETTER_COLOURS
    )
