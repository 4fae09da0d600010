"""A model of the other form: given texts, it cuts them itself, and answers when it likes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import pytest

from seqscore import Pair, Scorer
from seqscore.cli.app import run as command
from seqscore.errors import InputError, ModelError, NumericsError, OptionError, SeqscoreError, StartWarning
from seqscore.evaluation.tasks.protocol_task import protocol_settings
from seqscore.models import registry
from seqscore.models.base import Conditioning, Identity, RunSettings, TextModel, TextValues, TokenModel
from seqscore.models.registry import KINDS, Named
from seqscore.plan.requests import Values
from seqscore.plan.workload import Workload
from seqscore.policies import Extra
from seqscore.text.codec.encoder import TextEncoder
from tests.models.stand_ins import FarModel, scorer_of
from tests.tiny_models import tiny_model
from tests.tiny_tokenizers import tiny_tokenizer

TEXTS = ["The quick brown fox", "a", "The answer is the same in the end.", "one two"]


def local() -> Scorer:
    return Scorer(tiny_model("llama"), tiny_tokenizer(), engine="reference")


class Server(TextModel):
    """Stands for a server: log p of all tokens but the first, nothing else, and no ids that mean anything here."""

    kind: ClassVar[str] = "server"
    offers: ClassVar[frozenset[Extra]] = frozenset()

    def __init__(self) -> None:
        self._behind = local()
        self._encoder = TextEncoder(tiny_tokenizer())
        self.batches: list[int] = []

    @property
    def engine(self) -> str:
        return "server"

    def identity(self) -> Identity:
        return Identity({"model": "far", "server": "test://here"}, {"far": "1"})

    def run(self, asked: Sequence[str], *, extras: frozenset[Extra]) -> list[TextValues | SeqscoreError]:
        self.batches.append(len(asked))
        return [self.ask(text) for text in asked]

    def ask(self, text: str) -> TextValues | SeqscoreError:
        if "too long" in text:
            return InputError("the server reads at most so much")
        score = self._behind.score(text, bos="none")
        return TextValues(self._encoder.encode(text), Values(logprobs=score.logprobs[1:]), first=1)


class Concurrent(Server):
    """Asks for two batches before it answers the first, whose first answer comes last."""

    def __init__(self) -> None:
        super().__init__()
        self._late = Event()

    def stream(
        self, batches: Iterable[Sequence[str]], *, extras: frozenset[Extra]
    ) -> Iterator[list[TextValues | SeqscoreError]]:
        with ThreadPoolExecutor(8) as pool:
            under_way = []
            for batch in batches:
                self.batches.append(len(batch))
                under_way.append([pool.submit(self._wait, text) for text in batch])
                if len(under_way) > 1:
                    self._late.set()
                    yield [one.result() for one in under_way.pop(0)]
            self._late.set()
            yield from ([one.result() for one in batch] for batch in under_way)

    def _wait(self, text: str) -> TextValues | SeqscoreError:
        assert text != TEXTS[0] or self._late.wait(30)
        return self.ask(text)


@pytest.fixture
def open_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Server]], Scorer]:
    def opened(kind: type[Server]) -> Scorer:
        def opens(name: str, settings: RunSettings) -> Server:
            return kind()

        monkeypatch.setattr(registry, "KINDS", MappingProxyType({**KINDS, "server": Named(opens, ("test://*",))}))
        return Scorer.from_pretrained("test://here")

    return opened


def test_a_model_that_is_given_texts_gives_the_same_scores(open_with: Callable[[type[Server]], Scorer]) -> None:
    scorer, own = open_with(Server), local()
    for score, expected in zip(scorer.score(TEXTS), own.score(TEXTS, bos="none"), strict=True):
        assert score.logprobs.tobytes() == expected.logprobs.tobytes()
        assert score.scored.tolist() == expected.scored.tolist()
        assert score.token_texts == expected.token_texts and score.start_token is None
        assert score.is_greedy is None and score.ranks is None and score.greedy is None
    assert repr(scorer).startswith("Scorer(") and scorer.threads is None and not scorer.keeps_bits
    fields = [name for name, _ in scorer.signature().fields]
    assert fields == ["seqscore", "model", "server", "bos", "special", "boundary", "long", "far"]


def test_a_continuation_begins_where_a_token_does(open_with: Callable[[type[Server]], Scorer]) -> None:
    scorer, own = open_with(Server), local()
    pair = Pair("The answer", " is the same")
    score, expected = scorer.score(pair), own.score(pair, bos="none")
    assert score.log_likelihood == expected.log_likelihood and score.scored.tolist() == expected.scored.tolist()
    with pytest.raises(InputError, match="a token reaches over the end of the context"):
        scorer.score(Pair("The an", "swer"))
    with pytest.raises(InputError, match="the continuation is empty"):
        scorer.score(Pair("The an", ""))
    with pytest.raises(InputError, match="this model is given texts: it scores a text, or a Pair of two"):
        scorer.score([3, 4])


def test_what_it_cannot_do_is_an_error(open_with: Callable[[type[Server]], Scorer]) -> None:
    scorer = open_with(Server)
    with pytest.raises(OptionError, match="extras='rank': a server model does not give it; it offers none"):
        scorer.score("a", extras="rank")
    for keywords in ({"bos": "none"}, {"boundary": "separate"}):
        with pytest.raises(OptionError, match="is for models that are given token ids; a server model takes 'auto'"):
            scorer.score("a", **keywords)  # type: ignore[call-overload]
    for keywords, only in (({"long": "truncate"}, "windows"), ({"special_tokens": "parse"}, "literal")):
        with pytest.raises(OptionError, match=f"is for models that are given token ids; a server model takes '{only}'"):
            scorer.score("a", **keywords)  # type: ignore[call-overload]
    with pytest.raises(OptionError, match="a server model gives log-probabilities, and no logits"):
        scorer.logits("a")
    for thing in ("model", "tokenizer", "description"):
        with pytest.raises(ModelError, match="is not in this process"):
            getattr(scorer, thing)
    errors = list(scorer.stream(["a", "too long", "one"], errors="record"))
    assert [isinstance(one, SeqscoreError) for one in errors] == [False, True, False]
    assert str(errors[1]) == "item 1: the server reads at most so much"
    with pytest.raises(InputError, match="item 1: the server reads at most so much"):
        scorer.score(["a", "too long"])


def test_answers_come_in_order_whatever_comes_first(open_with: Callable[[type[Server]], Scorer]) -> None:
    scorer, texts = open_with(Concurrent), TEXTS * 12
    scores = list(scorer.stream(texts))
    assert [score.text for score in scores] == texts
    assert [score.log_likelihood for score in scores] == [
        one.log_likelihood for one in local().score(texts, bos="none")
    ]
    model = scorer._model
    assert isinstance(model, Concurrent) and model.batches == [16, 32]


def test_a_kind_must_say_all_that_a_scorer_needs() -> None:
    class Half(TokenModel):
        kind: ClassVar[str] = "half"

    with pytest.raises(TypeError, match="abstract method"):
        Half()  # type: ignore[abstract]


def test_nan_from_a_server_names_the_token(
    open_with: Callable[[type[Server]], Scorer], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = open_with(Server)
    whole = TextEncoder(tiny_tokenizer()).encode("one two")
    nan = TextValues(whole, Values(logprobs=np.full(len(whole.ids) - 1, np.nan)), first=1)
    monkeypatch.setattr(Server, "ask", lambda self, text: nan)
    with pytest.raises(NumericsError, match="NaN at token 1"):
        scorer.score("one two")


def test_a_model_that_is_given_ids_need_not_be_one_of_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer, own = scorer_of(monkeypatch, FarModel), local()
    items = [*TEXTS, Pair("The answer", " is the same"), [9, 10, 11]]
    for score, expected in zip(scorer.score(items), own.score(items), strict=True):
        assert score.logprobs.tobytes() == expected.logprobs.tobytes() and score.greedy is None
    assert scorer.tokenizer is not None and scorer.conditioning == "left"
    with pytest.raises(ModelError, match="far is not in this process"):
        _ = scorer.model


def test_its_start_token_is_told_of_like_any_others(monkeypatch: pytest.MonkeyPatch) -> None:
    template = "{% for m in messages %}<s>{{ m['role'] }}{{ m['content'] }}{% endfor %}<s>"
    tokenizer = tiny_tokenizer(chat=True)
    tokenizer.chat_template = template
    with pytest.warns(StartWarning, match="is a marker of this model's chat template"):
        scorer_of(monkeypatch, lambda: FarModel(tokenizer)).score("a")


def test_the_work_of_a_model_that_cuts_texts_itself_is_known_to_it_alone(
    open_with: Callable[[type[Server]], Scorer],
) -> None:
    work = open_with(Server).workload(TEXTS * 10)
    assert work == Workload(num_items=40, num_targets=None, num_inputs=None, num_distinct=None, num_run=None)


def test_the_work_of_a_model_that_is_given_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    assert scorer_of(monkeypatch, FarModel).workload(TEXTS) == local().workload(TEXTS)


def test_a_dry_run_says_what_is_known(
    open_with: Callable[[type[Server]], Scorer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_with(Server)
    data = tmp_path / "pairs.jsonl"
    data.write_text('{"good": "one two", "bad": "two one"}\n')
    assert command(["eval", "pairs", str(data), "--model", "test://here", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "sequences:        2\n" in shown
    assert "positions to run: known to server alone, which cuts texts itself" in shown


def test_whoever_sees_both_sides_says_so_in_the_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    class Both(FarModel):
        conditioning: ClassVar[Conditioning] = "both"

    both, left = scorer_of(monkeypatch, Both).score("a"), local().score("a")
    assert both.settings["conditioning"] == both.settings.conditioning == "both"
    assert both.perplexity_name == "pseudo-perplexity"
    assert "conditioning" not in left.signature and left.settings.conditioning == "left"
    assert left.perplexity_name == "perplexity"


def test_a_token_is_healed_only_by_who_gives_its_subset(monkeypatch: pytest.MonkeyPatch) -> None:
    class Says(FarModel):
        gives_masses: ClassVar[bool] = True

    pair = Pair("The an", "swer")
    with pytest.raises(
        OptionError, match=r"boundary='healed' needs the probability of .* a far model does not give it"
    ):
        scorer_of(monkeypatch, FarModel).score(pair, boundary="healed")
    with pytest.raises(ModelError, match="item 0: the model gave no mass of the subset that it was asked for"):
        scorer_of(monkeypatch, Says).score([pair], boundary="healed")
    assert local().score(pair, boundary="healed").boundary == "healed"


def test_a_protocol_needs_a_tokenizer(open_with: Callable[[type[Server]], Scorer]) -> None:
    with pytest.raises(
        OptionError, match="protocol 'lm-eval' lays its windows over token ids, and a server model has no"
    ):
        protocol_settings("lm-eval", open_with(Server))
