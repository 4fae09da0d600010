"""Word tables: rows of texts to a row a word, with the columns of the data.

| module | what it is for |
|---|---|
| ``word_rows`` | what is scored, and its words with their scores, as a stream |
| ``word_records`` | words as flat records for files |
"""
