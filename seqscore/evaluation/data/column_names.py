"""Names that datasets use for their columns, whatever is asked of them."""

from __future__ import annotations

from seqscore.evaluation.data.conversations import MESSAGES

TEXT = ("text", "sentence", "content", "document", "page", "raw_content")
TARGET = ("continuation", "completion", "target")
CONTEXT = ("context", "prompt", "prefix")

GOOD = ("sentence_good", "good", "grammatical", "good_sentence", "acceptable", "chosen")
BAD = ("sentence_bad", "bad", "ungrammatical", "bad_sentence", "unacceptable", "rejected")
PHENOMENON = ("UID", "paradigm", "phenomenon", "linguistics_term", "category", "condition")
SUBJECT = ("group", "category", "subject")
CONTEXTS = ("context_options", "contexts")
QUERY = ("query", "question", "ctx", "prompt", "goal", "stem", "premise", "context")
CHOICES = ("choices", "endings", "options", "answers", "candidates")
GOLD = ("gold", "label", "answer", "answerKey", "answer_idx", "correct")
REFERENCE = ("reference", "ref", "transcript", "target")
HYPOTHESES = ("hypotheses", "nbest", "hyps", "candidates")
FIRST_PASS = ("scores", "am_scores", "first_pass_scores")
WORDS = ("words", "tokens")
WORD = ("word", "form", "token")
LISTED_WORD = ("word", "Word", "form", "token")
COUNT = ("count", "freq", "frequency", "per_million", "fpm", "FREQcount", "SUBTLWF")
SPACE = ("space_after", "whitespace", "whitespace_")

KNOWN_NAMES = frozenset(
    name
    for names in (
        *((MESSAGES,), TEXT, TARGET, CONTEXT, GOOD, BAD, PHENOMENON, SUBJECT),
        *(CONTEXTS, QUERY, CHOICES, GOLD, REFERENCE, HYPOTHESES, FIRST_PASS),
        *(WORDS, WORD, SPACE),
    )
    for name in names
)
"""By these a reader of JSON tells the names of columns from those of rows."""
