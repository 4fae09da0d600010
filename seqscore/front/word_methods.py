"""The methods of a scorer for the words of texts, and for what comes next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Unpack, overload

from seqscore.calls.next_call import WHOLE, check_next, open_next_call, word_items, words_of
from seqscore.calls.scoring import Errors, cut, score_alone, scores_all, scores_of, word_call_of
from seqscore.calls.word_call import Correction, WordCall, WordItem
from seqscore.errors import InputError, SeqscoreError
from seqscore.front.held_model import HeldModel
from seqscore.plan.chunks import CHUNK_POLICIES, ChunkPolicy
from seqscore.policies import PolicyKeywords, check_choice
from seqscore.scores.next_scores import NextTokens, NextWords
from seqscore.scores.word_scores import WordScores
from seqscore.text.given import given_items
from seqscore.text.given_words import GivenWords
from seqscore.text.items import Context, Pair, Prompt


class WordMethods(HeldModel):
    """log p of words, each given what stands before it, and the most probable tokens behind a context."""

    @overload
    def words(  # type: ignore[overload-overlap]  # a str is an iterable of str
        self,
        items: str | Pair | GivenWords,
        *,
        words: str = "space",
        correction: Correction = "auto",
        **policies: Unpack[PolicyKeywords],
    ) -> WordScores: ...

    @overload
    def words(
        self,
        items: Iterable[WordItem],
        *,
        words: str = "space",
        correction: Correction = "auto",
        **policies: Unpack[PolicyKeywords],
    ) -> list[WordScores]: ...

    def words(
        self,
        items: WordItem | Iterable[WordItem],
        *,
        words: str = "space",
        correction: Correction = "auto",
        **policies: Unpack[PolicyKeywords],
    ) -> WordScores | list[WordScores]:
        """log p(w | c) for the words w of a text, each given all that stands before it, or for each of several texts.

        Args:
            items: a text, a Pair (the words of its continuation) or ``GivenWords``; or an iterable of them.
            words: what is a word: ``space``, ``unicode`` or a regular expression, see ``seqscore.text.segmentation``.
            correction: how it counts that a word ends where it does, see ``seqscore.calls.word_call.Correction``.
            policies: see ``score``; ``extras`` are rank and entropy where the model has them, if not named.

        Returns:
            Of every text its words with their log-probabilities, as sums over tokens and corrected (float64, nats).

        Raises:
            InputError: an item cannot be scored, or has no words; the message names its index.
            OptionError: an option has no such value, or the model cannot give what is asked for by name.

        Example:
            >>> from seqscore import Scorer
            >>> found = Scorer.from_pretrained().words("It rained.")
            >>> found.texts, found.surprisals("bits").round(2).tolist()
            (('It', 'rained.'), [12.17, 21.39])
        """
        if isinstance(items, GivenWords):
            return self.words([items], words=words, correction=correction, **policies)[0]
        given, call = given_items(items), self._word_call(words, correction, policies)
        if given.one is not None:
            return score_alone(call, given.one)
        return scores_all(call, given.several)

    def stream_words(
        self,
        items: Iterable[WordItem | SeqscoreError],
        *,
        words: str = "space",
        correction: Correction = "auto",
        errors: Errors = "raise",
        chunks: ChunkPolicy = "growing",
        **policies: Unpack[PolicyKeywords],
    ) -> Iterator[WordScores | SeqscoreError]:
        """``words`` in the order of ``items``, read and scored in chunks: memory does not grow with their number.

        Args:
            items, words, correction: see ``words``; also an error among the items, of a row that could not be read.
            errors, chunks: see ``stream``.
            policies: see ``score``.

        Returns:
            An iterator, which scores as it is asked for more.

        Raises:
            InputError: a single item was given; or, from the iterator, see ``words``.
            OptionError: an option has no such value.

        Example:
            >>> from seqscore import Scorer
            >>> for found in Scorer.from_pretrained().stream_words(["It rained.", "Nobody came."]):
            ...     print(found.texts)
            ('It', 'rained.')
            ('Nobody', 'came.')
        """
        check_choice("errors", errors, ("raise", "record"))
        check_choice("chunks", chunks, CHUNK_POLICIES)
        if isinstance(items, GivenWords) or given_items(items).one is not None:
            raise InputError("stream_words takes an iterable of items, got a single one; use words(item)")
        call = self._word_call(words, correction, policies)
        return scores_of(call, self._cut(given_items(items).several, chunks), errors=errors)

    def next_tokens(self, context: Context | Pair, k: int = 10, **policies: Unpack[PolicyKeywords]) -> NextTokens:
        """The k most probable tokens behind a context: p(token | context), and the entropy of the whole distribution.

        Args:
            context: a text, token ids, or messages, as a chat template renders them; empty: behind the start token.
                Of a model with an encoder the source, or a Pair of the source and of how the target begins.
            k: how many.
            policies: ``bos``, ``long``, ``special_tokens``, see ``score``.

        Returns:
            The tokens in order, of equally probable ones those of the smaller id first.

        Raises:
            InputError: the context cannot be read, or nothing stands before the token.
            OptionError: an option has no such value, or the model has no next token (a masked one).

        Example:
            >>> from seqscore import Scorer
            >>> found = Scorer.from_pretrained().next_tokens("The capital of France is", k=2)
            >>> [(one.text, round(one.probability, 3)) for one in found]
            [(' Paris', 0.806), (' the', 0.036)]
        """
        call = open_next_call(self._model, policies, self._about_start, k=k)
        return score_alone(call, Prompt(context))

    def stream_next_tokens(
        self,
        contexts: Iterable[Context | Pair | SeqscoreError],
        k: int = 10,
        *,
        errors: Errors = "raise",
        chunks: ChunkPolicy = "growing",
        **policies: Unpack[PolicyKeywords],
    ) -> Iterator[NextTokens | SeqscoreError]:
        """``next_tokens`` in the order of ``contexts``, run in chunks; see ``stream``.

        Args:
            contexts: see ``next_tokens``; also an error, of a row that could not be read.
            k: how many tokens behind each.
            errors, chunks: see ``stream``.
            policies: see ``next_tokens``.

        Returns:
            An iterator, which runs as it is asked for more.

        Raises:
            OptionError: see ``next_tokens``.

        Example:
            >>> from seqscore import Scorer
            >>> for found in Scorer.from_pretrained().stream_next_tokens(["It", "Nobody"], k=1):
            ...     print([one.text for one in found])
            ["'s"]
            [' knows']
        """
        check_choice("errors", errors, ("raise", "record"))
        check_choice("chunks", chunks, CHUNK_POLICIES)
        if isinstance(contexts, str):
            raise InputError("stream_next_tokens takes an iterable of contexts, got a single one; use next_tokens")
        call = open_next_call(self._model, policies, self._about_start, k=k)
        prompts = (one if isinstance(one, SeqscoreError) else Prompt(one) for one in contexts)
        return scores_of(call, cut(prompts, chunks), errors=errors)

    def next_words(
        self,
        context: Context,
        words: Sequence[str],
        *,
        correction: Correction = "auto",
        **policies: Unpack[PolicyKeywords],
    ) -> NextWords:
        """p(word | context) for given words of one token or several, with and without what it takes for a word to end.

        Args:
            context: a text, or messages; empty: behind the start token.
            words: what may come; a space stands in front where the context and the word would touch otherwise.
            correction: see ``words``; ``auto`` is here ``punctuation``, where the model has it: what comes behind the
                word is not known, and it may be a full stop or a comma.
            policies: ``bos``, ``long``, ``boundary``, ``special_tokens``, see ``score``.

        Returns:
            The words as given, with their ranks among each other. All share the context, which runs once.

        Raises:
            InputError: the context or a word cannot be read.
            OptionError: see ``next_tokens``.

        Example:
            >>> from seqscore import Scorer
            >>> found = Scorer.from_pretrained().next_words("The capital of France is", ["London", "Paris"])
            >>> [(one.text, one.rank, round(one.log_likelihood, 2)) for one in found]
            [('London', 2, -5.64), ('Paris', 1, -0.22)]
        """
        check_next(self._model, policies, about="words")
        items, plain = word_items(context, words), PolicyKeywords(**{**policies, "extras": ()})
        call = self._word_call(WHOLE, correction, plain)
        if correction == "auto" and call.rule is not None:
            call = self._word_call(WHOLE, "punctuation", plain)
        whole = replace(call, segmentation=replace(call.segmentation, name="whole"))
        return words_of(words, scores_all(whole, items))

    def _word_call(self, words: str, correction: Correction, policies: PolicyKeywords) -> WordCall:
        return word_call_of(self._model, policies, self._about_start, words=words, correction=correction)
