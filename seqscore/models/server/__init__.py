"""A server as a model: it is sent prompts, and reports the log-probability of each of their tokens.

| file | what |
|---|---|
| ``address.py`` | the address without its secrets |
| ``client.py``, ``background.py`` | requests under way at the same time, with limits of time and size; their thread |
| ``tries.py``, ``replies.py`` | what is tried again, and when; status and body of a reply |
| ``dialects/`` | one file for each way to ask and to answer |
| ``reported.py``, ``cover.py`` | what a server reports, checked; which bytes of a text each of its tokens stands for |
| ``session.py``, ``recognise.py``, ``aligned.py`` | a server that was recognised and tried |
| ``text_model.py``, ``token_model.py`` | the two forms that ``seqscore.models.base`` has for it |
| ``opened.py``, ``described.py`` | an address to a model; what its numbers depend on |
"""
