"""The policies of a call, resolved for a model that is given token ids."""

from __future__ import annotations

from typing import Any, Literal

from seqscore._version import __version__
from seqscore.calls.notices import CallNotices, StartNotice
from seqscore.calls.refusals import check_extras, check_policies
from seqscore.calls.token_call import TokenCall
from seqscore.models.base import LanguageModel, TokenModel
from seqscore.policies import BoundaryPolicy, Policies
from seqscore.scores.signature import Signature
from seqscore.text.end import EndToken, TargetBehind
from seqscore.text.sequences import SequenceBuilder
from seqscore.text.start import Frame, StartToken


def open_call(
    model: TokenModel,
    policies: Policies,
    about_start: StartNotice,
    *,
    behind: Literal["as asked", "always"] = "as asked",
) -> TokenCall:
    """The policies of a call, resolved for a model.

    ``behind="always"``: a target stands behind every text, also where none is scored there (``eos="none"``): its
    request says what the model expects behind the last token. The score is what it is without.

    Raises:
        OptionError: the model cannot do what a policy asks for.
    """
    check_extras(model, policies)
    start = model.codec.start(policies.bos)
    check_policies(model, policies, start)
    end = model.end(policies.eos)
    boundary: BoundaryPolicy = (
        "lm-eval" if policies.boundary == "auto" and start.kind == "lm-eval" else policies.boundary
    )
    stands = start
    if model.conditioning == "source":  # what two stacks read has no token in common, and no start token but its own
        boundary, stands = "separate", StartToken("token", start.token_id)
    builder = SequenceBuilder(
        tokenizer=model.codec.tokenizer,
        encoder=model.codec.encoder(policies.special_tokens),
        markup_encoder=model.codec.encoder("parse"),
        start=stands,
        boundary=boundary,
        special_tokens=policies.special_tokens,
        frame=_frame_of(model, start),
        source_encoder=model.codec.source_encoder(policies.special_tokens) if model.conditioning == "source" else None,
    )
    signature = signature_of(
        model,
        bos=start.describe(),
        special=policies.special_tokens,
        boundary=boundary,
        long=f"{policies.long}/{'none' if model.max_inputs is None else model.max_inputs}",
        **({"masking": policies.masking} if model.conditioning == "both" else {}),
        **({} if end is None else {"eos": end.describe()}),
    )
    notices = CallNotices(model.codec.tokenizer, stands, about_start, said=model.conditioning == "source")
    return TokenCall(model, policies, builder, notices, signature, _behind(policies, end, behind))


def _behind(policies: Policies, end: EndToken | None, asked: str) -> TargetBehind | None:
    if end is not None:
        in_texts = policies.special_tokens == "parse" or policies.bos == "lm-eval"
        return TargetBehind(end.token_id, end, in_texts)
    return TargetBehind(0) if asked == "always" else None


def _frame_of(model: TokenModel, start: StartToken) -> Frame | None:
    if model.conditioning != "both" or start.token_id is None:
        return None
    return Frame(start.token_id, model.codec.behind)


def signature_of(model: LanguageModel[Any, Any], **choices: str) -> Signature:
    """What a call's scores depend on: program, model, the call's ``choices``, libraries."""
    identity = model.identity()
    sees = {} if model.conditioning == "left" else {"conditioning": model.conditioning}
    return Signature.of({"seqscore": __version__, **identity.fields, **sees, **choices, **identity.libraries})
