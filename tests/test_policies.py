from __future__ import annotations

import dataclasses

import pytest

from seqscore.errors import OptionError
from seqscore.policies import Policies


def test_policies_check_themselves_and_are_frozen() -> None:
    assert Policies.of({}) == Policies(bos="auto", long="windows", boundary="auto", special_tokens="literal")
    assert Policies.of({"extras": "rank"}).extras == {"rank"} == Policies.of({"extras": ["rank", "rank"]}).extras
    with pytest.raises(dataclasses.FrozenInstanceError):
        Policies().long = "error"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        (
            {"boss": "none"},
            "there is no option boss=; a call takes bos, eos, long, boundary, special_tokens, masking, extras, top_k",
        ),
        ({"long": "cut"}, "long='cut' is unknown; expected one of windows, truncate, error"),
        ({"long": ["windows"]}, "long=['windows'] is unknown; expected one of windows, truncate, error"),
        ({"boundary": "tight"}, "boundary='tight' is unknown; expected one of auto, lm-eval, healed, separate"),
        ({"special_tokens": None}, "special_tokens=None is unknown; expected one of literal, parse"),
        ({"masking": "word"}, "masking='word' is unknown; expected one of original, within-word-l2r, whole-word"),
        ({"extras": ("rank", "logit")}, "extras='logit' is unknown; expected one of rank, entropy"),
        ({"extras": 3}, "extras=3 must name what to compute as well: rank, entropy"),
    ],
)
def test_what_is_unknown_is_refused_with_what_there_is(keywords: dict[str, object], said: str) -> None:
    with pytest.raises(OptionError) as caught:
        Policies.of(keywords)
    assert str(caught.value) == said


def test_an_earlier_boundary_names_what_took_its_place() -> None:
    with pytest.raises(OptionError, match=r"boundary='joint' scored only a part .* replaced by 'auto'.*'healed'"):
        Policies.of({"boundary": "joint"})
