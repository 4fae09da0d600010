"""The score of one sequence: per-token log-probabilities and everything derived from them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seqscore.errors import MissingDependencyError
from seqscore.files import plain
from seqscore.scores.parts import TokenScore, TopToken, TurnScore, WordScore, token_dict, turn_dict
from seqscore.scores.reductions import Reduction, Unit, bits_per, in_unit, log_likelihood, perplexity, reduced
from seqscore.scores.show.pieces import Piece, pieces_of
from seqscore.scores.signature import Signature
from seqscore.text.joins import run_together
from seqscore.text.turns import TurnSpan
from seqscore.text.words import WordSpan, word_spans, word_spans_of_two

if TYPE_CHECKING:
    import pandas as pd

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, eq=False, kw_only=True)
class SequenceScore:
    """Log-probabilities of the tokens of one text, or of a continuation given its context.

    Every token of ``text`` is listed: scored, context, or cut (a token without a log-probability is NaN, never 0.0).

    Shape and dtype: [n] each; ``token_ids``, ``starts``, ``ends`` int64 (byte offsets into the UTF-8 text, which they
    cover in order); ``logprobs`` float64 in nats, NaN where not scored; ``scored`` bool; ``greedy`` bool, the target's
    logit is the maximum; ``ties`` bool, another logit equals that maximum; ``ranks`` int64, 1 + the number of strictly
    greater logits, 0 where not scored; ``entropies`` float64 in nats of the model's distribution at that place, NaN
    where not scored; ``top_ids`` int64 and ``top_logprobs`` float64 in nats [n, k], the most probable tokens at that
    place, -1 and NaN where not scored or not known, and ``top_texts``, theirs. ``ranks``, ``entropies`` and these are
    None unless asked for, ``greedy`` and ``ties`` where a model does not tell. Arrays are read-only.

    ``start_token`` is the id of the token that the model read in front of the text, None for none. ``end_token`` is the
    id of the token that was scored behind the text, None for none; it is the last of the tokens, stands for no byte
    (where ids or text do not bring it along), and is called ``end_name``. ``num_windows``:
    forward passes that the text took. ``num_cut``: tokens that ``long="truncate"`` cut. ``num_unread``: tokens at the
    beginning of a long context that are in no window, since the model cannot look back so far. ``num_unknown``: scored
    tokens that are the tokenizer's unknown token, which stands for whatever text it has no token for. ``delimiter``:
    what was put between a context and its continuation, of which it is a part; None where there is no context.
    """

    text: str | None
    context: str | None
    token_ids: IntArray
    starts: IntArray
    ends: IntArray
    logprobs: FloatArray
    scored: BoolArray
    greedy: BoolArray | None = None
    ties: BoolArray | None = None
    ranks: IntArray | None = None
    entropies: FloatArray | None = None
    top_ids: IntArray | None = None
    top_logprobs: FloatArray | None = None
    top_texts: tuple[tuple[str, ...], ...] | None = None
    start_token: int | None = None
    end_token: int | None = None
    end_name: str = ""
    boundary: str | None = None
    delimiter: str | None = None
    turn_spans: tuple[TurnSpan, ...] = ()
    exact_spans: bool = True
    num_windows: int = 1
    num_cut: int = 0
    num_unread: int = 0
    num_unknown: int = 0
    settings: Signature = Signature(())

    def __post_init__(self) -> None:
        for name, value in list(vars(self).items()):
            if isinstance(value, np.ndarray):
                view = value.view()  # the caller's own array stays as it was
                view.flags.writeable = False
                object.__setattr__(self, name, view)

    def __setstate__(self, state: Mapping[str, object]) -> None:
        """As pickle and copy make it again: arrays come back writeable from them."""
        vars(self).update(state)
        self.__post_init__()

    def __len__(self) -> int:
        return len(self.token_ids)

    @cached_property
    def log_likelihood(self) -> float:
        """Sum of the scored tokens' log-probabilities, in nats, rounded once; 0.0 where nothing is scored."""
        return log_likelihood(self.logprobs[self.scored])

    @property
    def num_tokens(self) -> int:
        """Tokens of the text (context included, start token not)."""
        return len(self.token_ids)

    @property
    def num_scored(self) -> int:
        """Tokens that have a log-probability."""
        return int(self.scored.sum())

    @property
    def num_bytes_scored(self) -> int:
        """UTF-8 bytes of the scored tokens; of a token that is scored given its first bytes (``healed``) the others."""
        begins = np.maximum(self.starts, self._bytes_given)
        return int((self.ends - begins)[self.scored].sum())

    @property
    def _bytes_given(self) -> int:
        """Bytes at the beginning of the text that no scored token's probability is about."""
        return len(self.context.encode("utf-8")) if self.boundary == "healed" and self.context is not None else 0

    @property
    def perplexity(self) -> float | None:
        """exp(-log_likelihood / num_scored); None where nothing is scored."""
        return perplexity(self.log_likelihood, self.num_scored)

    @property
    def perplexity_name(self) -> str:
        """What ``perplexity`` is called: a pseudo-perplexity where each token was given all others (a masked model)."""
        return "pseudo-perplexity" if self.settings.conditioning == "both" else "perplexity"

    @property
    def bits_per_byte(self) -> float | None:
        """-log_likelihood / ln 2 / bytes of the scored tokens; None where there are none."""
        return bits_per(self.log_likelihood, self.num_bytes_scored)

    @property
    def bits_per_token(self) -> float | None:
        """-log_likelihood / ln 2 / num_scored; None where nothing is scored."""
        return bits_per(self.log_likelihood, self.num_scored)

    def reduced(self, reduction: Reduction, *, log: bool = False) -> float | None:
        """The product (``prod``) or a mean (``mean``, ``gmean``, ``hmean``) of the scored tokens' probabilities, with
        ``log`` its natural logarithm; None where nothing is scored. See ``seqscore.scores.reductions.reduced``."""
        return reduced(self.logprobs[self.scored], reduction, log=log)

    @property
    def is_greedy(self) -> bool | None:
        """Whether every scored token has the greatest logit at its place; None where nothing is scored, or the model
        does not tell."""
        return None if self.greedy is None or not self.scored.any() else bool(self.greedy[self.scored].all())

    @property
    def signature(self) -> str:
        """One line that names the convention, the model and the versions behind these numbers."""
        return str(self.settings)

    def surprisals(self, unit: Unit = "bits") -> FloatArray:
        """-log p(x_t | x_<t) in bits (or nats), [n], NaN where not scored."""
        in_unit(0.0, unit)
        return (-self.logprobs if unit == "nats" else -self.logprobs / math.log(2)) + 0.0

    @property
    def continuation(self) -> str | None:
        """The text behind the context; the whole text where there is no context."""
        if self.text is None or self.context is None:
            return self.text
        if self.text.startswith(self.context):
            return self.text[len(self.context) :]
        # Token ids whose boundary stands within a character: what the scored tokens hold of the text.
        begin = int(self.starts[self.scored].min(initial=len(self.text.encode())))
        return self.text.encode()[begin:].decode("utf-8", "backslashreplace")

    @property
    def runs_together(self) -> bool:
        """Whether the context's last word and the continuation's first one meet, in scripts that set words apart."""
        apart = self.settings.conditioning == "source"  # two texts
        return not apart and run_together(self.context or "", self.continuation or "")

    @cached_property
    def token_texts(self) -> tuple[str, ...]:
        """The piece of text that each token stands for; bytes that are no character of their own as ``\\xe4``; the name
        of the end token."""
        if self.text is None:
            return ("",) * len(self)
        data = self.text.encode("utf-8")
        spans = zip(self.starts.tolist(), self.ends.tolist(), strict=True)
        texts = [data[start:end].decode("utf-8", "backslashreplace") for start, end in spans]
        return tuple(texts if self.end_token is None else [*texts[:-1], self.end_name])

    def tokens(self) -> Iterator[TokenScore]:
        """The tokens in order."""
        for i, text in enumerate(self.token_texts):
            scored = bool(self.scored[i])
            yield TokenScore(
                id=int(self.token_ids[i]),
                text=text,
                start=int(self.starts[i]),
                end=int(self.ends[i]),
                logprob=float(self.logprobs[i]) if scored else None,
                rank=int(self.ranks[i]) if scored and self.ranks is not None else None,
                entropy=float(self.entropies[i]) if scored and self.entropies is not None else None,
                is_greedy=bool(self.greedy[i]) if scored and self.greedy is not None else None,
                top=self._top(i) if scored and self.top_logprobs is not None else None,
            )

    def _top(self, token: int) -> tuple[TopToken, ...]:
        """The most probable tokens at the place of one, as many as are known."""
        assert self.top_logprobs is not None
        count = self.top_logprobs.shape[1]
        ids = [-1] * count if self.top_ids is None else self.top_ids[token].tolist()
        texts = [""] * count if self.top_texts is None else self.top_texts[token]
        named = zip(ids, texts, self.top_logprobs[token].tolist(), strict=False)
        return tuple(
            TopToken(None if number < 0 else number, text, logprob)
            for number, text, logprob in named
            if logprob == logprob
        )

    def words(self) -> tuple[WordScore, ...]:
        """The words (runs without white space) with their log-likelihoods: log p(w) = sum of its tokens' log p; the end
        token, where it is scored, as a last one of its own."""
        if self.text is None:
            return ()
        if self.end_token is None:
            return tuple(self._word(span) for span in self._word_spans(self.text, self.starts, self.ends))
        last, begin, end = len(self) - 1, int(self.starts[-1]), int(self.ends[-1])
        text = self.text.encode()[:begin].decode("utf-8", "backslashreplace")
        spans = self._word_spans(text, self.starts[:last], self.ends[:last])
        behind = WordSpan(self.end_name, begin, end, last, last + 1)
        return tuple(self._word(span) for span in (*spans, behind))

    def _word_spans(self, text: str, starts: IntArray, ends: IntArray) -> tuple[WordSpan, ...]:
        if self.settings.conditioning != "source" or not self.context or not text.startswith(self.context):
            return word_spans(text, starts, ends)
        return word_spans_of_two(self.context, text[len(self.context) :], starts, ends)

    def turns(self) -> tuple[TurnScore, ...]:
        """The scored turns of a ``Chat`` with their log-likelihoods, which add up to that of the whole; else none."""
        return tuple(self._turn(span) for span in self.turn_spans)

    def _turn(self, span: TurnSpan) -> TurnScore:
        tokens = slice(span.first_token, span.last_token)
        total = log_likelihood(self.logprobs[tokens]) if self.scored[tokens].all() else None
        start, end = int(self.starts[span.first_token]), int(self.ends[span.last_token - 1])
        text = (self.text or "").encode()[start:end].decode("utf-8", "backslashreplace")
        return TurnScore(span.message, text, start, end, span.first_token, span.last_token, total)

    def _word(self, span: WordSpan) -> WordScore:
        tokens = slice(span.first_token, span.last_token)
        whole = self.scored[tokens].all() and span.begin >= self._bytes_given
        total = log_likelihood(self.logprobs[tokens]) if whole else None
        return WordScore(span.text, span.begin, span.end, span.first_token, span.last_token, total)

    def to_dict(self, *, unit: Unit = "nats", tokens: bool = True) -> dict[str, Any]:
        """The JSONL record of this score: plain Python values, infinities as the strings "Infinity", "-Infinity"."""
        record: dict[str, Any] = {
            "text": self.text,
            "context": self.context,
            "log_likelihood": plain(in_unit(self.log_likelihood, unit)),
            "unit": unit,
            "num_tokens": self.num_tokens,
            "num_scored": self.num_scored,
            "perplexity": plain(self.perplexity),
            "bits_per_byte": plain(self.bits_per_byte),
            "is_greedy": self.is_greedy,
            "start_token": self.start_token,
            "end_token": self.end_token,
            "boundary": self.boundary,
            "delimiter": self.delimiter,
            "exact_spans": self.exact_spans,
            "num_windows": self.num_windows,
            "num_cut": self.num_cut,
            "num_unread": self.num_unread,
            "num_unknown": self.num_unknown,
        }
        if self.turn_spans:
            record["turns"] = [turn_dict(turn, unit) for turn in self.turns()]
        if tokens:
            record["tokens"] = [
                token_dict(token, unit, lists_top=self.top_logprobs is not None) for token in self.tokens()
            ]
        return {**record, "signature": self.signature}

    def to_pandas(self) -> pd.DataFrame:
        """A table with a row for each token.

        Raises:
            MissingDependencyError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingDependencyError(
                "to_pandas() needs pandas; install it with: pip install 'seqscore[notebook]'"
            ) from error
        names = ["id", "text", "start", "end", "logprob", "rank", "entropy", "is_greedy"]
        names += [] if self.top_logprobs is None else ["top"]
        return pd.DataFrame([{name: getattr(token, name) for name in names} for token in self.tokens()], columns=names)

    def _repr_html_(self) -> str:
        from seqscore.scores.show.notebook import coloured_html

        perplexity = "not defined" if self.perplexity is None else f"{self.perplexity:.6g}"
        head = (
            f"log-likelihood <b>{self.log_likelihood:.6g}</b> nats, perplexity <b>{perplexity}</b>, "
            f"{self.num_scored} of {self.num_tokens} tokens scored"
        )
        return coloured_html(head, self.pieces(), self._about, num_tokens=self.num_tokens)

    def _about(self, token: int) -> str:
        """What is known of a token: surprisal, probability, and rank and entropy where they were asked for."""
        logprob = float(self.logprobs[token])
        words = [f"{-logprob / math.log(2) + 0.0:.3f} bits", f"p = {math.exp(logprob):.4g}"]
        if self.ranks is not None:
            words.append(f"rank {int(self.ranks[token])}")
        if self.entropies is not None:
            words.append(f"entropy {float(self.entropies[token]):.3f} nats")
        return ", ".join(words)

    def pieces(self) -> Iterator[Piece]:
        """The text cut into what can be shown, each piece with its surprisal; none where the text is not known."""
        if self.text is not None:
            data = self.text.encode("utf-8")
            found = pieces_of(data, self.starts.tolist(), self.ends.tolist(), self.logprobs.tolist())
            for piece in found:
                yield replace(piece, text=self.end_name) if self._is_end(piece) else piece

    def _is_end(self, piece: Piece) -> bool:
        """Whether a piece is the end token alone."""
        return self.end_token is not None and piece.first == len(self) - 1

    def __repr__(self) -> str:
        shown = (
            "token ids" if self.text is None else repr(self.text if len(self.text) <= 60 else self.text[:57] + "...")
        )
        perplexity = None if self.perplexity is None else f"{self.perplexity:.6g}"
        return (
            f"SequenceScore({shown}, log_likelihood={self.log_likelihood:.6g} nats, "
            f"{self.perplexity_name.replace('-', '_')}={perplexity}, "
            f"num_scored={self.num_scored} of {self.num_tokens})"
        )
