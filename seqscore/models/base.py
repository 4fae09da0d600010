"""What a scorer needs of a model, whatever computes it.

Two forms. A ``TokenModel`` is given token ids: its codec says how a text becomes ids and which bytes each stands for,
and what stands before and behind a text. A ``TextModel`` (a server) is given texts, and gives back its tokens with the
bytes they stand for. Both say how much they read, what a target may see, and what their numbers depend on.
``README.md`` beside this file shows one of each.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Protocol, Self, TypeAlias, TypeVar

from seqscore.errors import OptionError, SeqscoreError
from seqscore.plan.requests import Request, Values
from seqscore.plan.totals import Totals
from seqscore.plan.workload import UNKNOWN, Workload, workload_of, workload_of_each
from seqscore.policies import EndPolicy, Extra, LongPolicy, SpecialTokensPolicy, StartPolicy
from seqscore.text.codec.any_encoder import AnyEncoder
from seqscore.text.codec.encoder import Encoded
from seqscore.text.end import EndToken, resolve_end
from seqscore.text.start import StartToken

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Asked = TypeVar("Asked")
Told = TypeVar("Told")

Conditioning: TypeAlias = Literal["left", "both", "source"]
"""What a target may see: the tokens before it (``left``); all others of its text (``both``); the tokens before it and
a source, which an encoder reads (``source``)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a model's numbers depend on, as fields of a signature in their order; ``libraries``: names and versions."""

    fields: Mapping[str, str]
    libraries: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How a model is run; None: the model's own choice.

    ``engine``: see ``seqscore.engine.resolve``. ``batch_tokens``: positions at once, padding included. ``threads``: of
    the processor. ``max_length``: positions that are read at once. ``source_language``, ``target_language``: of a model
    with an encoder whose tokenizer has language tokens, as it calls them.
    """

    engine: str = "auto"
    batch_tokens: int | None = None
    threads: int | None = None
    max_length: int | None = None
    source_language: str | None = None
    target_language: str | None = None


class Codec(Protocol):
    """Text to token ids and back, as one model reads it."""

    @property
    def tokenizer(self) -> Any:
        """The tokenizer as callers know it, with its chat template."""
        ...

    @property
    def behind(self) -> tuple[int, ...]:
        """Token ids that stand behind every text."""
        ...

    def encoder(self, special_tokens: SpecialTokensPolicy) -> AnyEncoder:
        """Text -> ids, with the bytes that each token stands for."""
        ...

    def source_encoder(self, special_tokens: SpecialTokensPolicy) -> AnyEncoder:
        """The same of what an encoder reads; asked of models with a source alone."""
        ...

    def start(self, policy: StartPolicy) -> StartToken:
        """What stands before every text.

        Raises:
            OptionError: there is no such start token.
        """
        ...


class LanguageModel(ABC, Generic[Asked, Told]):
    """A model as the scorer sees it.

    ``kind``: its name in the registry. ``offers``: per-token values that it can give as well.
    """

    kind: ClassVar[str]
    conditioning: ClassVar[Conditioning]
    offers: ClassVar[frozenset[Extra]]

    @property
    @abstractmethod
    def engine(self) -> str:
        """The name of how it is run."""

    @property
    def max_inputs(self) -> int | None:
        """Positions that it reads at once, what stands around a text included; None: no limit that is known."""
        return None

    @property
    def largest_top_k(self) -> int:
        """How many of the most probable tokens it can give at each place; 0 for none."""
        return 0

    @property
    def keeps_bits(self) -> bool:
        """Whether a text's bits are promised not to depend on its neighbours, on batch size or on threads."""
        return False

    @property
    def batch_tokens(self) -> int | None:
        """How many positions may run at once; None: one text at a time, or nothing that is decided here."""
        return None

    @property
    def threads(self) -> int | None:
        """How many threads of this processor a run uses; None: it runs elsewhere."""
        return None

    @property
    def revision(self) -> str | None:
        """The commit of a model of the hub."""
        return None

    @property
    def under_way(self) -> tuple[int, int] | None:
        """How many rows of forward passes are done, and how many there are, of what runs just now; None: nothing runs,
        or it is not told."""
        return None

    def __str__(self) -> str:
        return self.identity().fields.get("model", self.kind)

    @abstractmethod
    def identity(self) -> Identity:
        """What its numbers depend on."""

    @abstractmethod
    def run(self, asked: Sequence[Asked], *, extras: frozenset[Extra]) -> list[Told]:
        """What it says of each of these, in their order.

        Raises:
            DeviceError: the device has not enough memory.
        """

    def workload(self, asked: Sequence[Asked]) -> Workload:
        """How much running these would be, if that is known before: see ``seqscore.plan.workload``."""
        return UNKNOWN

    def stream(self, batches: Iterable[Sequence[Asked]], *, extras: frozenset[Extra]) -> Iterator[list[Told]]:
        """``run`` of each batch, in order. A model that waits for its answers may ask for batches ahead of the one that
        it gives, and have several under way."""
        for batch in batches:
            yield self.run(batch, extras=extras)


class TokenModel(LanguageModel[Request, Values]):
    """A model that is given token ids. ``vocabulary``: how many it knows.

    One that is asked elsewhere may give an error in place of the values of a request that it cannot answer.

    ``gives_masses``: whether it heeds the subsets of a request, which ``boundary="healed"`` asks for; one that does not
    is never given any. ``gives_totals``: whether it has a quicker way to the sums of texts, see ``totals``.
    """

    vocabulary: int
    gives_masses: ClassVar[bool] = False
    gives_totals: ClassVar[bool] = False

    @property
    @abstractmethod
    def codec(self) -> Codec:
        """Text to ids."""

    def end(self, policy: EndPolicy) -> EndToken | None:
        """What is scored behind every text; None for nothing. A kind whose tokenizer does not name its end token has a
        rule of its own.

        Raises:
            OptionError: there is no such end token.
        """
        return resolve_end(self.codec.tokenizer, policy)

    def fit_source(self, source: NDArray[np.int64], long: LongPolicy) -> tuple[NDArray[np.int64], int]:
        """What an encoder can read of a source, and how many tokens were cut for that.

        Raises:
            InputError: it cannot be read.
        """
        return source, 0

    def totals(self, texts: Sequence[str], *, start: int | None, end: int | None) -> Totals | None:
        """What plain texts come to behind the token ``start``, ``end`` scored behind each where it is not None, special
        tokens taken for ordinary text; the same numbers as by ``run``. None: there is no quicker way than ``run``, or
        one of the texts has to be looked at by itself.
        """
        return None

    def num_run(self, asked: Sequence[Request]) -> int:
        """How many positions it runs for requests that are read to the left alone."""
        return sum(request.num_inputs for request in asked)

    def workload(self, asked: Sequence[Request]) -> Workload:
        """How much running these would be: of a model that sees both sides of a target a row of its own for each."""
        if self.conditioning == "left":
            return workload_of(asked, num_run=self.num_run(asked))
        if self.conditioning == "both":
            return workload_of_each(asked, lambda request: request.num_targets * len(request.ids))
        return workload_of_each(asked, lambda request: len(request.source) + request.num_inputs)

    def logits(self, requests: Sequence[Request]) -> NDArray[np.float64]:
        """The logits at each target of all requests, [targets, V].

        Raises:
            OptionError: the model does not give them.
        """
        raise OptionError(f"a model of kind {self.kind!r} gives log-probabilities, and no logits")


@dataclass(frozen=True, slots=True)
class TextValues:
    """What a model says about a text: its tokens, and the values of those from ``first`` on (often all but one).

    ``top_texts``: those of the tokens in ``values.top_logprobs``, as many at each place, where a model names them so
    (their ids may then be -1).
    """

    encoded: Encoded
    values: Values
    first: int = 0
    top_texts: Sequence[Sequence[str]] | None = None


class TextModel(LanguageModel[str, TextValues | SeqscoreError]):
    """A model that is given texts, and cuts them into tokens itself. What it cannot score gives an error in place."""

    conditioning: ClassVar[Conditioning] = "left"

    def with_start(self, policy: StartPolicy) -> tuple[Self, str]:
        """The model with what a policy puts in front of every text, and how a signature names that; by itself it puts
        there what it likes (``own``).

        Raises:
            OptionError: it cannot do what the policy asks for.
        """
        if policy != "auto":
            raise OptionError(
                f"bos={policy!r} is for models that are given token ids; a {self.kind} model takes 'auto'"
            )
        return self, "own"
