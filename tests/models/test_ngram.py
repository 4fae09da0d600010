"""N-gram models beside a reader in decimal numbers; with a stand-in for kenlm, and (native) with kenlm itself."""

from __future__ import annotations

import copy
import gzip
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seqscore import Chat, Pair, Scorer
from seqscore.errors import InputError, MissingDependencyError, ModelError, OptionError
from seqscore.models import word_codec
from seqscore.models.base import RunSettings
from seqscore.models.ngram import NgramModel
from seqscore.models.registry import KINDS, Named
from seqscore.plan.requests import Request
from tests import stand_in_kenlm
from tests.ngram_models import END, LINES, START, Arpa, write_arpa

# A stored number is rounded to float32 (2^-25 of it), and so is each of at most four sums; no part is above 10 here.
TOLERANCE = 10 * 8 * 2**-24

TEXTS = (
    *LINES,
    "the mouse saw a dog on the der Hund",
    "zzz the zzz cat zzz",
    "  the\tcat\nsat \v on\f the\r\nmat  ",
    "The CAT sat",
    "the\u00a0cat sat\u3000on the",
    "cat\x00 the\x07 \x1b[31m <s> </s> <unk>",
    "แมว นั่ง the 我們",
)

MakeModel = Callable[..., Path]


@pytest.fixture(params=["stand-in", pytest.param("kenlm", marks=pytest.mark.native)])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "stand-in":
        monkeypatch.setitem(sys.modules, "kenlm", stand_in_kenlm.module())
    return str(request.param)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEQSCORE_CACHE", str(tmp_path / "cache"))
    return write_arpa(tmp_path / "small.arpa")


@pytest.fixture
def scorer(library: str, path: Path) -> Scorer:
    return Scorer.from_pretrained(path)


def oracle(path: Path) -> Arpa:
    return Arpa(path.read_text(encoding="utf-8"))


def words_of(text: str) -> list[str]:
    """As KenLM's query cuts; what it takes for other words than the text has is a word that is not known."""
    words = [word.decode() for word in text.encode().split()]
    return ["no such word" if word in (START, END) or "\x00" in word else word for word in words]


def close(found: object, expected: list[float]) -> None:
    np.testing.assert_allclose(found, expected, rtol=2**-24, atol=TOLERANCE)  # type: ignore[arg-type]


@pytest.mark.parametrize("order", [2, 3, 5])
def test_words_have_the_probabilities_of_the_file(library: str, path: Path, order: int) -> None:
    write_arpa(path, order=order)
    expected, scorer = oracle(path), Scorer.from_pretrained(path)
    for text, score in zip(TEXTS, scorer.score(TEXTS), strict=True):
        close(score.logprobs, expected.logprobs(words_of(text)))
        assert score.scored.all()
        assert score.num_unknown == sum(expected.known(word) == "<unk>" for word in words_of(text))


def test_the_end_of_a_text_is_scored_where_that_is_asked_for(scorer: Scorer, path: Path) -> None:
    text = "the cat sat"
    score = scorer.score(text, eos="scored")
    close(score.logprobs, oracle(path).logprobs([*text.split(), END]))
    assert "eos:scored/2" in score.signature and [word.text for word in score.words()] == ["the", "cat", "sat", "</s>"]
    assert "eos:" not in scorer.score(text).signature
    (empty,) = scorer.score("", eos="scored").logprobs
    close([empty], oracle(path).logprobs([END]))


def test_without_a_start_token_the_first_word_is_context(scorer: Scorer, path: Path) -> None:
    score = scorer.score("cat sat on", bos="none")
    assert np.isnan(score.logprobs[0])
    close(score.logprobs[1:], oracle(path).logprobs(["sat", "on"], before=["cat"]))


def test_another_start_token_is_a_word_that_was_read(scorer: Scorer, path: Path) -> None:
    number = int(scorer.score("the").token_ids[0])
    close(scorer.score("cat sat", bos=number).logprobs, oracle(path).logprobs(["cat", "sat"], before=["the"]))
    close(scorer.score("cat sat", bos="</s>").logprobs, oracle(path).logprobs(["cat", "sat"], before=[END]))
    with pytest.raises(InputError, match="token id 77 is of no word"):
        scorer.score("cat sat", bos=77)
    with pytest.raises(InputError, match="token id 77 is of no word"):
        scorer.score("cat sat", eos=77)


@pytest.mark.parametrize("text", TEXTS)
def test_each_word_has_the_white_space_before_it(scorer: Scorer, text: str) -> None:
    score = scorer.score(text)
    data = text.encode()
    assert score.exact_spans and score.starts[0] == 0 and score.ends[-1] == len(data)
    assert (score.starts[1:] == score.ends[:-1]).all()
    pieces = [data[start:end] for start, end in zip(score.starts, score.ends, strict=True)]
    assert [piece.split() for piece in pieces] == [[word] for word in data.split()]
    assert all(piece.strip() == piece.lstrip() for piece in pieces[:-1])


def test_spans_of_many_texts_are_those_of_each(scorer: Scorer) -> None:
    texts = ["", "a", " ", "", *TEXTS, "\n\n", "", "the cat", " "]
    for text, among, alone in zip(texts, scorer.score(texts), [scorer.score(text) for text in texts], strict=True):
        assert among.text == text == alone.text
        for name in ("token_ids", "starts", "ends", "logprobs"):
            assert getattr(among, name).tobytes() == getattr(alone, name).tobytes(), name


@pytest.mark.parametrize(("text", "exact"), [("", True), (" \n\t", False)])
def test_a_text_without_words_has_nothing_to_score(scorer: Scorer, text: str, exact: bool) -> None:
    score = scorer.score(text)
    assert (score.num_tokens, score.log_likelihood, score.perplexity, score.exact_spans) == (0, 0.0, None, exact)


def test_special_words_are_words_unless_they_are_parsed(scorer: Scorer, path: Path) -> None:
    text, arpa = "the <s> </s> <unk> zzz cat", oracle(path)
    literal, parsed = scorer.score(text), scorer.score(text, special_tokens="parse")
    close(literal.logprobs, arpa.logprobs(["the", "no", "such", "words", "here", "cat"]))
    close(parsed.logprobs, arpa.logprobs(["the", START, END, "<unk>", "zzz", "cat"]))
    assert literal.token_ids.tolist()[1:5] == [0, 0, 0, 0] and literal.num_unknown == 4
    assert parsed.token_ids.tolist()[1:5] == [1, 2, 0, 0] and parsed.num_unknown == 1  # one was meant
    assert scorer.score("zzz qqq").exact_spans


def test_a_pair_is_scored_behind_its_context(scorer: Scorer, path: Path) -> None:
    arpa = oracle(path)
    clean = scorer.score(Pair("the cat", " sat on"))
    close(clean.logprobs[2:], arpa.logprobs(["sat", "on"], before=[START, "the", "cat"]))
    assert clean.boundary == "clean" and np.isnan(clean.logprobs[:2]).all()
    with pytest.warns(UserWarning, match="run together"):
        within = scorer.score(Pair("the cat s", "at on", delimiter=""), boundary="separate")
    close(within.logprobs[3:], arpa.logprobs(["at", "on"], before=[START, "the", "cat", "s"]))
    with pytest.warns(UserWarning, match="run together"):
        assert scorer.score(Pair("the ca", "t sat", delimiter="")).boundary == "apart"
    space = scorer.score(Pair("the cat ", "sat", delimiter=""))
    close(space.logprobs[2:], arpa.logprobs(["sat"], before=[START, "the", "cat"]))
    assert scorer.score(Pair("", "the cat")).logprobs.tolist() == scorer.score("the cat").logprobs.tolist()
    ended = scorer.score(Pair("the cat", " sat"), eos="scored")
    close(ended.logprobs[2:], arpa.logprobs(["sat", END], before=[START, "the", "cat"]))


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_context_counts_wherever_it_ends(scorer: Scorer, cut: int) -> None:
    words = "the dog sat on the cat saw a mouse on the mat".split()
    whole = scorer.score(" ".join(words))
    behind = scorer.score(Pair(" ".join(words[:cut]), " " + " ".join(words[cut:])))
    assert behind.logprobs[cut:].tobytes() == whole.logprobs[cut:].tobytes()


def test_words_too_far_back_to_count_are_not_looked_up(library: str, path: Path) -> None:
    model = NgramModel(str(path), RunSettings())
    ids = model.codec.encoder("literal").encode("the cat " * 50 + "sat on the mat").ids
    asked: list[bytes] = []
    kenlm = model._kenlm

    class Watched:
        order = kenlm.order

        def full_scores(self, sentence: bytes, **options: bool) -> object:
            asked.append(sentence)
            return kenlm.full_scores(sentence, **options)

    near = model.run([Request(ids, 101)], extras=frozenset())
    model._kenlm = Watched()
    again = model.run([Request(ids, 101)], extras=frozenset())
    assert asked == [b"cat sat on the mat"]
    assert near[0].logprobs.tobytes() == again[0].logprobs.tobytes()


def test_a_score_has_the_same_bits_in_any_company(scorer: Scorer, library: str, path: Path) -> None:
    alone = {text: scorer.score(text).logprobs.tobytes() for text in TEXTS}
    other = Scorer.from_pretrained(path)
    for texts in (TEXTS, TEXTS[::-1]):
        for score in other.stream(texts):
            assert score.logprobs.tobytes() == alone[str(score.text)]
            assert score.token_ids.tolist() == scorer.score(score.text).token_ids.tolist()
    assert scorer.keeps_bits and scorer.max_length is None


def test_ids_are_those_of_words_that_were_read(scorer: Scorer) -> None:
    first = scorer.score("the cat sat")
    given = scorer.score(first.token_ids)
    assert given.text == "the cat sat" and given.logprobs.tobytes() == first.logprobs.tobytes()
    assert given.starts.tolist() == [0, 3, 7] and given.ends.tolist() == [3, 7, 11]
    pair = scorer.score(Pair(first.token_ids[:2].tolist(), first.token_ids[2:].tolist()))
    assert pair.logprobs[2:].tobytes() == first.logprobs[2:].tobytes()
    assert max(first.token_ids) < 2**53 and first.token_ids.tolist() != sorted(set(first.token_ids.tolist()))[:3]
    with pytest.raises(InputError, match="token id 3 is of no word that this scorer has read"):
        scorer.score([3, 4])


def test_two_words_of_one_id_are_an_error(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_codec.xxhash, "xxh3_64_intdigest", lambda word: 1 << 40)
    with pytest.raises(ModelError, match=r"the same id, .*the.*cat"):
        scorer.score("the cat")


def test_memory_does_not_grow_with_words_that_are_not_known(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_codec, "_MOST_UNKNOWN", 10)
    score = scorer.score(" ".join(f"w{number}" for number in range(100)) + " the cat w99 w1")
    assert score.num_unknown == 102
    known = scorer._model.codec._ids["literal"]  # type: ignore[union-attr]
    assert len(known) == 3 + 10 + 2


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        ({"extras": "rank"}, "it offers none"),
        ({"extras": "entropy"}, "it offers none"),
        ({"boundary": "healed"}, "boundary='healed' needs"),
        ({"bos": "[CLS]"}, r"bos='\[CLS\]' is unknown; .*<unk>, <s>, </s>"),
    ],
)
def test_what_it_cannot_give_is_refused(scorer: Scorer, policies: dict[str, str], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        scorer.score("the cat", **policies)  # type: ignore[arg-type]


def test_chats_and_options_of_checkpoints_are_refused(scorer: Scorer, path: Path) -> None:
    with pytest.raises(InputError, match="chat template"):
        scorer.score(Chat([{"role": "user", "content": "the"}, {"role": "assistant", "content": "cat"}]))
    with pytest.raises(OptionError, match="dtype='float64': a ngram model does not heed it"):
        Scorer.from_pretrained(path, dtype="float64")
    with pytest.raises(InputError, match="lone surrogate"):
        scorer.score(["the", "cat \ud800"])


def test_the_signature_names_file_and_order(scorer: Scorer, path: Path) -> None:
    fields = dict(scorer.signature().fields)
    assert fields["model"] == str(path) and fields["order"] == "3" and fields["engine"] == "kenlm"
    assert fields["bos"] == "auto/1" and fields["long"] == "windows/none" and fields["kenlm"]
    assert scorer.kind == "ngram" and repr(scorer) == f"Scorer({path})"
    write_arpa(path, LINES[:3])
    other = dict(Scorer.from_pretrained(path).signature().fields)
    assert {name for name in fields if fields[name] != other[name]} == {"weights"}


def test_a_file_is_not_hashed_twice(library: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Scorer.from_pretrained(path)
    assert (path.parent / "cache" / "hashes.json").exists()
    monkeypatch.setattr("hashlib.file_digest", None)
    Scorer.from_pretrained(path)


def test_a_scorer_can_be_copied_and_pickled(scorer: Scorer, path: Path) -> None:
    expected = scorer.score("the cat").logprobs.tobytes()
    for other in (copy.copy(scorer), copy.deepcopy(scorer), pickle.loads(pickle.dumps(scorer))):
        assert other.score("the cat").logprobs.tobytes() == expected
    pickled = pickle.dumps(scorer)
    write_arpa(path, LINES[:3])
    with pytest.raises(ModelError, match="is not what it was"):
        pickle.loads(pickled)


def test_a_compressed_file_is_the_same_model(scorer: Scorer, path: Path) -> None:
    packed = path.with_name("small.arpa.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    found = Scorer.from_pretrained(packed).score("the cat sat")
    assert found.logprobs.tobytes() == scorer.score("the cat sat").logprobs.tobytes()


def test_without_the_library_it_says_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kenlm", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'seqscore\[ngram\]'.*C\+\+ compiler"):
        Scorer.from_pretrained(path)


@pytest.mark.parametrize("name", ["x.arpa", "a/b.arpa.gz", "de.arpa.bin", "lm.binary", "lm.klm"])
def test_names_of_files_that_kenlm_reads(name: str) -> None:
    kind = KINDS["ngram"]
    assert isinstance(kind, Named) and any(Path(name).match(pattern) for pattern in kind.patterns)


def test_a_file_that_is_no_model_is_an_error(library: str, path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path.write_text("It \x1b]0;title\x07 rained.\n")
    with pytest.raises(ModelError, match=r"^KenLM cannot read '.*small.arpa': first .*line") as told:
        Scorer.from_pretrained(path)
    assert "lm/read_arpa" not in str(told.value) and "\n" not in str(told.value)
    with pytest.raises(ModelError, match=r"^KenLM cannot read '.*none.arpa': No such file"):
        Scorer.from_pretrained(path.with_name("none.arpa"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.native
@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ngram 2=", "ngram 2=1", "Cannot allocate|End of file|expecting|Byte"),
        ("\t<s>", "\t<t>", "missing <s>"),
        ("\tthe cat", "\tthe dgo", "is not in the vocabulary|Byte"),
        ("\\2-grams:\n-", "\\2-grams:\nx", "Could not parse"),
        ("\\1-grams:\n-", "\\1-grams:\n", "Positive log probability"),
    ],
)
def test_kenlm_says_what_is_wrong_with_a_file(path: Path, old: str, new: str, said: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ModelError, match=f"KenLM cannot read .*(?:{said})"):
        Scorer.from_pretrained(path)


@pytest.mark.native
def test_sums_are_those_of_kenlm(path: Path) -> None:
    import kenlm

    model, scorer = kenlm.Model(str(path)), Scorer.from_pretrained(path)
    for text in TEXTS[:-2]:  # KenLM ends a word at a zero byte, and reads <s> for what it spells
        score = scorer.score(text, eos="scored")
        # KenLM sums in float32: an ulp of the sum a word.
        assert abs(model.score(text) - score.log_likelihood / np.log(10)) < len(score) * 100 * 2**-23
        exact = [log10 for log10, _, _ in model.full_scores(text)]
        assert (np.array(exact) * np.log(10)).tobytes() == score.logprobs.tobytes()


def test_words_of_a_text_are_its_tokens(scorer: Scorer) -> None:
    text = "the cat , said zzz"
    words = scorer.words(text)
    assert words.texts == tuple(text.split())
    assert words.log_likelihoods.tobytes() == scorer.score(text).logprobs.tobytes()
    with pytest.raises(OptionError, match="does not give the probability of all tokens that begin a word"):
        scorer.words(text, correction="space")
