"""Tables of words for reading-time studies: from rows of data to a row a word, with what stands beside its scores.

| module | what it is for |
|---|---|
| ``word_job`` | from data and options to a table: what the command line and Python do alike |
| ``word_texts`` | a text and its words: what is scored, with the columns of the data |
| ``word_data`` | rows of a dataset as such texts: a text, a list of words, or rows of one word each |
| ``word_groups`` | rows of one word each, gathered by a column |
| ``passages`` | the earlier sentences of a passage as context |
| ``word_rows`` | texts and the scores of their words, as a stream |
| ``word_records`` | words as flat records for files |
| ``word_table`` | these records with predictors, reading times and the data's columns |
| ``frequencies`` | log-frequencies of words, from a file or a column |
| ``spillover`` | length, log-frequency, and the values of the words before |
| ``word_match`` | whether two words are the same, and what differs |
| ``reading_times`` | rows of readers, joined to words |
"""
