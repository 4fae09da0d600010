"""Rows to be scored, wherever they lie: texts, files of any kind, folders, pipes, datasets of the hub.

| module | what it is for |
|---|---|
| ``dataset`` | a dataset as a stream of rows, whatever it lies in |
| ``texts`` | what a caller of ``score`` names, as rows of text |
| ``data_options`` | how a dataset is read: the choices of a caller |
| ``source_files`` | files, folders and streams as records, their digests |
| ``streams`` | the bytes of a source, decompressed |
| ``kinds`` | which kind a file is: the table of ends of names |
| ``charsets`` | bytes to text |
| ``lines`` | bytes as lines of text, with limits |
| ``csv_rows`` | rows of CSV and TSV |
| ``conllu_rows`` | sentences of CoNLL-U |
| ``json_rows`` | rows of JSON and JSON Lines |
| ``suites`` | test suites in SyntaxGym's JSON, a row an item |
| ``json_text`` | JSON values out of a stream of text |
| ``arrow`` | rows of Parquet and Arrow files |
| ``ipc`` | how large compressed buffers of Arrow come to be |
| ``hub_dataset`` | what the datasets library knows |
| ``in_memory`` | rows that are there already |
| ``records`` | one row with its columns |
| ``problem`` | what is wrong with a row, in its place |
| ``fields`` | which column holds what, named or guessed |
| ``column_names`` | the names that are guessed from |
| ``conversations`` | lists of messages in a column |
| ``gold`` | which choice is the right one |
| ``kept_columns`` | which columns go along to what is written |
"""
