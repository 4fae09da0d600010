"""A server that is sent token ids, which a tokenizer here makes of texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, Self

from seqscore.errors import OptionError, SeqscoreError, TokenizerError
from seqscore.models.base import Conditioning, Identity, TokenModel
from seqscore.models.load.identity import fingerprint_tokenizer
from seqscore.models.local import TokenizerCodec
from seqscore.models.server.aligned import PAIR, check_aligned
from seqscore.models.server.described import identity_of
from seqscore.models.server.recognise import LARGEST_TOP_K, TRIAL, NoValuesError, check_top, ids_of, try_out
from seqscore.models.server.reported import AnswerError, values_of
from seqscore.models.server.session import Session
from seqscore.plan.requests import Request, Values
from seqscore.policies import Extra, top_k_of


class ServerTokenModel(TokenModel):
    """log p(x_t | x_<t) of ids that are sent as they are.

    Args:
        session: the server.
        tokenizer: the tokenizer of its model.
        max_length: positions that are read at once; None: as the server says.

    Raises:
        OptionError: the server takes no ids.
        TokenizerError: its own tokenizer makes other ids of a text.
        ServerError: its values are of other tokens than those that they stand at.
    """

    kind: ClassVar[str] = "server"
    conditioning: ClassVar[Conditioning] = "left"
    offers: ClassVar[frozenset[Extra]] = frozenset()
    engine = "server"

    def __init__(self, session: Session, tokenizer: Any, *, max_length: int | None = None) -> None:
        self._session, self._tokenizer = session, tokenizer
        self.vocabulary = len(tokenizer)
        self._codec = TokenizerCodec(tokenizer, configs=[], vocabulary=self.vocabulary)
        self._max_inputs = _least(max_length, _inputs(session.about.max_tokens))
        encoder = self._codec.encoder("literal")
        start = self._codec.start("auto").token_id
        front = [] if start is None else [start]
        self._good, *pair = ([*front, *encoder.encode(text).ids.tolist()] for text in (TRIAL, *PAIR))
        self._tops: set[int] = set()
        self._session = session.client.wait_for(self._checked(pair, len(front)))

    @property
    def codec(self) -> TokenizerCodec:
        """The tokenizer."""
        return self._codec

    @property
    def max_inputs(self) -> int | None:
        """As asked for, else as the server says."""
        return self._max_inputs

    @property
    def largest_top_k(self) -> int:
        """As many as the server gives, which is asked once they are asked for."""
        return LARGEST_TOP_K if self._session.dialect.top_of_ids else 0

    def identity(self) -> Identity:
        """What the server says of itself, and the tokenizer."""
        return identity_of(self._session, {"tokenizer": fingerprint_tokenizer(self._tokenizer)})

    def run(self, asked: Sequence[Request], *, extras: frozenset[Extra]) -> list[Any]:
        """What the server says of each request; an error in its place where it cannot answer it."""
        return next(self.stream([asked], extras=extras), [])

    def stream(self, batches: Iterable[Sequence[Request]], *, extras: frozenset[Extra]) -> Iterator[list[Any]]:
        """Several requests under way, their values (or errors) in order."""
        top = top_k_of(extras)
        if top and top not in self._tops:
            self._session.client.wait_for(check_top(self._session, self._good, top))
            self._tops.add(top)
        return self._session.stream(batches, partial(self._one, top=top))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself: the model is not here."""
        return self

    async def _one(self, request: Request, *, top: int) -> Values | SeqscoreError:
        try:
            reported = await self._session.report_or_error(request.ids.tolist(), self._good, top=top)
            if isinstance(reported, SeqscoreError):
                return reported
            return values_of(reported, request.first_target, len(request.ids), top=top)
        except AnswerError as error:
            return error

    async def _checked(self, pair: list[list[int]], num_front: int) -> Session:
        """The server, tried out with ids."""
        refusal = OptionError(
            f"tokenizer={str(self._tokenizer.name_or_path)!r}: the server at {self._session.root} takes no token ids, "
            f"and cuts texts itself; leave it out"
        )
        if not self._session.dialect.takes_ids:
            raise refusal
        own, theirs = self._good[num_front:], await ids_of(self._session, TRIAL)
        if theirs is not None and own not in (list(theirs), list(theirs[1:])):
            raise TokenizerError(
                f"the tokenizer is not that of the server at {self._session.root}: it cuts {TRIAL!r} into {own[:8]} "
                f"..., the server into {list(theirs)[:8]} ..."
            )
        try:
            session = await try_out(self._session, self._good)
        except NoValuesError:
            await try_out(self._session, TRIAL)
            raise refusal from None
        await check_aligned(session, (pair[0], pair[1]), advice="")
        return session


def _inputs(max_tokens: int | None) -> int | None:
    """Positions that are read of a prompt of so many tokens: the last one is a target alone."""
    return None if max_tokens is None else max(1, max_tokens - 1)


def _least(*numbers: int | None) -> int | None:
    known = [one for one in numbers if one is not None]
    return min(known, default=None)
