"""Rows of a filter run copied as they were read into one file a bucket.

| module | what it is for |
|---|---|
| ``buckets`` | the whole way: rows of a filter run into one file a bucket |
| ``copied`` | the buckets in their order, and where bytes are written |
| ``copies`` | rows of files of text, copied |
| ``table_copies`` | rows of Parquet, Arrow and the datasets library, copied |
"""
