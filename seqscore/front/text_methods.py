"""The methods of a scorer for whole items: their scores, and what scoring them would take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, Unpack, overload

from seqscore.calls.scoring import logits_of, score_alone, scores_all, scores_of, totals_of, workload_of_chunks
from seqscore.errors import InputError, SeqscoreError
from seqscore.front.held_model import HeldModel
from seqscore.models.base import TokenModel
from seqscore.plan.chunks import CHUNK_POLICIES, ChunkPolicy
from seqscore.plan.totals import Totals
from seqscore.plan.workload import Workload
from seqscore.policies import PolicyKeywords, check_choice
from seqscore.scores.sequence_score import SequenceScore
from seqscore.scores.signature import Signature
from seqscore.text.given import given_items
from seqscore.text.items import Chat, Item, Pair

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TextMethods(HeldModel):
    """log p of texts, Pairs, Chats and token ids."""

    def signature(self, **policies: Unpack[PolicyKeywords]) -> Signature:
        """What a score with these policies depends on, as every ``SequenceScore`` of them carries it."""
        return self._call(**policies).signature

    @overload
    def score(self, items: str | Pair | Chat | Sequence[int], **policies: Unpack[PolicyKeywords]) -> SequenceScore: ...  # type: ignore[overload-overlap]  # a str is an iterable of str

    @overload
    def score(self, items: Iterable[Item], **policies: Unpack[PolicyKeywords]) -> list[SequenceScore]: ...

    def score(
        self, items: Item | Iterable[Item], **policies: Unpack[PolicyKeywords]
    ) -> SequenceScore | list[SequenceScore]:
        """log p(x) = sum_t log p(x_t | x_<t) for a text, a Pair or token ids, or for each of several of them.

        Args:
            items: one item gives one score; an iterable of items gives a list of scores in the same order.
            policies: ``bos="auto"``, ``eos="none"``, ``long="windows"``, ``boundary="auto"``,
                ``special_tokens="literal"``, ``masking="original"``, ``extras=()``, ``top_k=0``; see
                ``seqscore.policies.Policies``.

        Returns:
            Of every item its tokens with their log-probabilities (float64, nats; NaN where a token is not scored).

        Raises:
            InputError: an item cannot be scored; the message names its index.
            NumericsError: the model gave NaN; the message names the token.
            OptionError: an option has no such value.

        Example:
            >>> from seqscore import Pair, Scorer
            >>> scorer = Scorer.from_pretrained()
            >>> round(scorer.score("It rained.").log_likelihood, 3)
            -23.261
            >>> [one.num_scored for one in scorer.score(["It rained.", Pair("It", " rained.")], bos="none")]
            [3, 3]
        """
        given, call = given_items(items), self._call(**policies)
        if given.one is not None:
            return score_alone(call, given.one)
        return scores_all(call, given.several)

    @overload
    def stream(
        self,
        items: Iterable[Item | SeqscoreError],
        *,
        errors: Literal["raise"] = "raise",
        chunks: ChunkPolicy = "growing",
        **policies: Unpack[PolicyKeywords],
    ) -> Iterator[SequenceScore]: ...

    @overload
    def stream(
        self,
        items: Iterable[Item | SeqscoreError],
        *,
        errors: Literal["record"],
        chunks: ChunkPolicy = "growing",
        **policies: Unpack[PolicyKeywords],
    ) -> Iterator[SequenceScore | SeqscoreError]: ...

    def stream(
        self,
        items: Iterable[Item | SeqscoreError],
        *,
        errors: Literal["raise", "record"] = "raise",
        chunks: ChunkPolicy = "growing",
        **policies: Unpack[PolicyKeywords],
    ) -> Iterator[SequenceScore | SeqscoreError]:
        """Scores in the order of ``items``, read and scored in chunks: memory does not grow with their number.

        Args:
            items: texts, Pairs, Chats or token ids; also an error, of a row that could not be read.
            errors: an item that cannot be scored raises (``raise``), or its error stands in its place (``record``).
            chunks: what is planned at once, so that common beginnings run once. ``growing``: 16 items at first, so that
                the first scores come soon, then twice as many up to 1,024; ``full``: about 1,024 from the start, ending
                between items that share no beginning; ``whole``: all items, as ``score`` does.
            policies: see ``score``.

        Returns:
            An iterator, which scores as it is asked for more.

        Raises:
            InputError: a single item was given; or, from the iterator, see ``score``.
            OptionError: an option has no such value.

        Example:
            >>> from seqscore import Scorer
            >>> rows = ["It rained.", None, "Nobody came."]
            >>> [type(one).__name__ for one in Scorer.from_pretrained().stream(rows, errors="record")]
            ['SequenceScore', 'InputError', 'SequenceScore']
        """
        check_choice("errors", errors, ("raise", "record"))
        check_choice("chunks", chunks, CHUNK_POLICIES)
        given = given_items(items)
        if given.one is not None:
            raise InputError("stream takes an iterable of items, got a single one; use score(item), or stream([item])")
        return scores_of(self._call(**policies), self._cut(given.several, chunks), errors=errors)

    def stream_chunks(
        self, chunks: Iterable[Sequence[Item | SeqscoreError]], **policies: Unpack[PolicyKeywords]
    ) -> Iterator[SequenceScore | SeqscoreError]:
        """``stream`` with ``errors="record"`` for items that are in chunks already, each planned at once.

        A chunk is taken when the model asks for it; one that waits for its answers may ask for several ahead.
        """
        return scores_of(self._call(**policies), chunks, errors="record")

    @property
    def gives_totals(self) -> bool:
        """Whether ``totals`` may give something."""
        return isinstance(self._model, TokenModel) and self._model.gives_totals

    def totals(self, texts: Sequence[str], **policies: Unpack[PolicyKeywords]) -> Totals | None:
        """What the scores of texts come to, without the tokens one by one: sums and counts as arrays, [n] each.

        The same numbers as by ``score``, for models that have a quicker way to them (n-gram models); None where this
        one has none, or where one of the texts or a policy asks for ``score``.
        """
        return totals_of(self._call(**policies), texts)

    def workload(
        self,
        items: Iterable[Item | SeqscoreError],
        *,
        chunks: ChunkPolicy = "growing",
        **policies: Unpack[PolicyKeywords],
    ) -> Workload:
        """How many tokens ``stream`` would run for these items, cut in the same way, without running any.

        Of a model that is given texts only their number is known.
        """
        check_choice("chunks", chunks, CHUNK_POLICIES)
        given = given_items(items)
        return workload_of_chunks(
            self._call(**policies), self._cut(given.several if given.one is None else [given.one], chunks)
        )

    def logits(self, item: Item, **policies: Unpack[PolicyKeywords]) -> NDArray[np.float64]:
        """The logits z_t of which each scored token's log-probability is log_softmax(z_t)[x_t], [num_scored, V].

        (A token that is scored given its first bytes, ``boundary="healed"``, has log_softmax over the tokens that begin
        so.) By the model's own forward pass; float64 numbers, of a model in float32 or less those of float32. Takes
        8 bytes a number: 0.4 MB a token with 50,000 words.

        Raises:
            InputError: the item cannot be scored, or takes more than one window.
            OptionError: the model gives no logits.
        """
        return logits_of(self._call(**policies), item)
