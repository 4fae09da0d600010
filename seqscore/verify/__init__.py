"""The promises of seqscore, measured on the machine and the model at hand.

| module | what it is for |
|---|---|
| ``verification`` | a whole verification |
| ``findings`` | what it finds out: promises held, broken, stated, not measured |
| ``trials`` | the texts that are scored for it |
| ``accuracy`` | how right the numbers are, against float64 |
| ``bits`` | the same text has the same bits in any company |
| ``speed`` | how fast, beside what the machine's matrix products allow |
| ``memory`` | the highest memory of a block of code |
"""
