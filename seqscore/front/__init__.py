"""The methods of a scorer, in the parts of which ``Scorer`` is made: a new one goes to the part that it is about.

| module | what it is for |
|---|---|
| ``held_model`` | the model that is scored with: what kind it is and how it runs; its calls, for the two parts below |
| ``text_methods`` | whole items: ``score``, ``stream``, ``workload``, ``logits`` ... |
| ``word_methods`` | the words of texts, and what comes next: ``words``, ``next_tokens``, ``next_words`` ... |
| ``pickled`` | a scorer that goes to another process, by name |

How a scorer comes to be (from objects, from a name, with another adapter, as a copy) stands in ``seqscore.scorer``.
The methods check their arguments, open a call of ``seqscore.calls`` and give it the items: nothing is computed here.
"""
