"""A server that is sent texts, and cuts them into tokens itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, Self

from seqscore.errors import SeqscoreError
from seqscore.models.base import Identity, TextModel, TextValues
from seqscore.models.server.aligned import PAIR, check_aligned
from seqscore.models.server.cover import no_text, text_values
from seqscore.models.server.described import identity_of
from seqscore.models.server.recognise import LARGEST_TOP_K, TRIAL, check_top
from seqscore.models.server.reported import AnswerError
from seqscore.models.server.session import Session
from seqscore.policies import Extra, StartPolicy, top_k_of


class ServerTextModel(TextModel):
    """log p of the tokens that the server itself makes of a text, but for the first where nothing stands before it.

    ``start``: what is written in front of every text, which the server reads as its start token; empty: nothing.
    """

    kind: ClassVar[str] = "server"
    offers: ClassVar[frozenset[Extra]] = frozenset()
    engine = "server"

    def __init__(self, session: Session, *, start: str = "", checked: set[str] | None = None) -> None:
        self._session, self._start = session, start
        self._checked = set() if checked is None else checked

    @property
    def max_inputs(self) -> int | None:
        """As the server says."""
        return self._session.about.max_tokens

    @property
    def largest_top_k(self) -> int:
        """As many as the server gives, which is asked once they are asked for."""
        return LARGEST_TOP_K if self._session.dialect.top_of_texts else 0

    def identity(self) -> Identity:
        """What the server says of itself."""
        return identity_of(self._session, {} if self._tells_ids else {"ids": "crc32-of-text"})

    def with_start(self, policy: StartPolicy) -> tuple[Self, str]:
        """``auto``: what the server puts in front itself; or a text that it reads as a start token.

        Raises:
            OptionError: the server takes no such policy.
            ServerError: with that in front, its values are of other tokens than those that they stand at.
        """
        words = ("auto", "none", "lm-eval")
        if not self._session.dialect.takes_start or not isinstance(policy, str) or policy in words:
            model, told = super().with_start(policy)
            return model._checked_for(""), told
        return self._checked_for(policy), f"text/{policy}"

    def run(self, asked: Sequence[str], *, extras: frozenset[Extra]) -> list[TextValues | SeqscoreError]:
        """What the server says of each text."""
        return next(self.stream([asked], extras=extras), [])

    def stream(
        self, batches: Iterable[Sequence[str]], *, extras: frozenset[Extra]
    ) -> Iterator[list[TextValues | SeqscoreError]]:
        """Several texts under way, their values in order."""
        top = top_k_of(extras)
        if top and str(top) not in self._checked:
            self._session.client.wait_for(check_top(self._session, self._start + TRIAL, top))
            self._checked.add(str(top))
        return self._session.stream(batches, partial(self._one, top=top))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself: the model is not here."""
        return self

    @property
    def _tells_ids(self) -> bool:
        return self._session.dialect.tells_ids

    def _checked_for(self, start: str) -> Self:
        """The model with that in front of its texts, tried out once."""
        if start not in self._checked:
            prompts = (start + PAIR[0], start + PAIR[1])
            self._session.client.wait_for(check_aligned(self._session, prompts, advice=self._advice(start)))
            self._checked.add(start)
        return type(self)(self._session, start=start, checked=self._checked)

    def _advice(self, start: str) -> str:
        if not self._session.dialect.takes_start:
            return ""
        if start:
            return f" also behind {start!r}, which it does not read as its start token: name another (--bos)"
        return (
            "; llama-cpp-python does so where its model puts no start token in front: write that token in front of "
            "the texts (--bos '<s>', say; tokenizer.ggml.bos_token_id of its .gguf file says which)"
        )

    async def _one(self, text: str, *, top: int) -> TextValues | SeqscoreError:
        if not text:
            return no_text(top)
        try:
            reported = await self._session.report_or_error(self._start + text, self._start + TRIAL, top=top)
            return reported if isinstance(reported, SeqscoreError) else text_values(text, reported, top=top)
        except AnswerError as error:
            return error
