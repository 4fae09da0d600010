"""Names that datasets use for their columns, whatever is asked of them."""

from __future__ import annotations

from seqscore.evaluation.data.conversations import MESSAGES

TEXT = ("text", "sentence", "content", "document", "page", "raw_content")
TARGET = ("continuation", "completion", "target")
CONTEXT = ("context", "prompt", "prefix")

GOOD = ("sentence_good", "good", "grammatical", "good_sentence", "acceptable", "chosen")
BAD = ("sentence_bad", "bad", "ungrammatical", "bad_sentence", "unacceptable", "rejected")
PHENOMENON = ("UID", "paradigm", "phenomenon", "linguistics_term", "category", "condition")
BADS = ("sentences_bad", "bad_sentences", "foils", "distractors")
CONTEXT_GOOD = ("prefix_acceptable", "context_good", "prefix_good", "good_context")
CONTEXT_BAD = ("prefix_unacceptable", "context_bad", "prefix_bad", "bad_context")
SHARED = ("property_phrase",)
SUBJECT = ("group", "category", "subject")
ONE_PREFIX = ("one_prefix_method", "one_prefix_prefix", "one_prefix_word_good", "one_prefix_word_bad")
TWO_PREFIX = ("two_prefix_method", "two_prefix_prefix_good", "two_prefix_prefix_bad", "two_prefix_word")
"""BLiMP's names of a method: whether it applies to the row, and its columns."""
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

CONDITIONS = ("conditions",)
SUITE = ("suite_name", "suite")
ITEM = ("item_number", "item", "item_id")
CONDITION = ("condition_name", "condition")
REGION = ("region_number", "region", "region_name")
CONTENT = ("content", "region_content")
SPANS = ("spans", "region_spans")

KNOWN_NAMES = frozenset(
    name
    for names in (
        *((MESSAGES,), TEXT, TARGET, CONTEXT, GOOD, BAD, BADS, PHENOMENON, SUBJECT),
        *(CONTEXT_GOOD, CONTEXT_BAD, SHARED, ONE_PREFIX, TWO_PREFIX),
        *(CONDITIONS, SUITE, ITEM, CONDITION, REGION, CONTENT, SPANS),
        *(CONTEXTS, QUERY, CHOICES, GOLD, REFERENCE, HYPOTHESES, FIRST_PASS),
        *(WORDS, WORD, SPACE),
    )
    for name in names
)
"""By these a reader of JSON tells the names of columns from those of rows."""
