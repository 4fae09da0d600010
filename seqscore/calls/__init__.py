"""One call of the scorer: from items to what a model is asked, and from what it gives back to scores.

| module | what it is for |
|---|---|
| ``scoring`` | items through a model in pieces, their scores in order, whatever kind of call it is |
| ``token_call`` | a call on a model that is given token ids |
| ``opening`` | its policies, resolved for the model; the signature |
| ``refusals`` | what a model cannot be asked for |
| ``text_call`` | a call on a model that is given texts |
| ``word_call`` | a call for the words of texts, around one of these two |
| ``next_call`` | a call for what stands behind contexts |
| ``prepared`` | the windows of a sequence, by what a target may see: ``left``, ``both`` or ``source`` |
| ``alternatives`` | what is asked where the first bytes of a token are known |
| ``window_requests`` | what is asked for a sequence: a request for each of its windows |
| ``answers`` | what was given back, checked before it is believed |
| ``notices`` | what a caller is warned of |

A call has two methods: ``prepare``, from items to what the model is asked, and ``score``, from that and the model's
answers to scores; ``scoring`` does the rest. Here alone the rooms ``text``, ``plan``, ``models`` and ``scores`` meet.
"""
