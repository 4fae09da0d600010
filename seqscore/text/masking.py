"""What a masked model does not see when it scores a token.

| masking | masked to score token t of a word w | source |
|---|---|---|
| ``original`` | t | Salazar et al. (2020), "Masked language model scoring" |
| ``within-word-l2r`` | t, and the tokens behind it in w | Kauf and Ivanova (2023), arXiv:2305.10588 |
| ``whole-word`` | all tokens of w | the same |

A token is easy to guess from the rest of its own word, so that under ``original`` a word of several tokens is more
probable than one of a single token; the other two take that away. What a word is the tokenizer says
(``seqscore.text.codec.token_words``). A context is given: no token of it is ever masked.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from seqscore.policies import MaskingPolicy

IntArray = NDArray[np.int64]


def hidden_stretches(words: IntArray, masking: MaskingPolicy, *, first: int) -> IntArray:
    """[n - first, 2]: the stretch of tokens, its end exclusive, that is masked to score each token from ``first`` on.

    Args:
        words: [n], ascending: the word that each token is part of.
        masking: the policy.
        first: how many tokens are context.
    """
    places, own = np.arange(first, len(words)), words[first:]
    ends = first + np.searchsorted(own, own, side="right")
    if masking == "original":
        return np.stack([places, places + 1], axis=1)
    begins = places if masking == "within-word-l2r" else first + np.searchsorted(own, own, side="left")
    return np.stack([begins, ends], axis=1)
