"""A run: rows scored part by part into a folder that can be continued, and its summary.

| module | what it is for |
|---|---|
| ``run_task`` | a dataset, a task and a scorer to a run |
| ``run_options`` | how a run is made |
| ``run_folder`` | the folder of a run |
| ``manifest`` | what a run depends on; the small JSON files |
| ``kept_input`` | input that can be read only once, kept |
| ``part_writer`` | a part onto the disk |
| ``parts`` | the parts and their checksums |
| ``row_schema`` | a row as it is stored |
| ``stored`` | manifest and summary, checked when they are read |
| ``stored_rows`` | the rows, checked when they are read |
| ``json_shapes`` | what JSON of a file must look like |
| ``progress`` | what is counted of rows while they go by |
| ``figures`` | the figures that rows come to, with their intervals |
| ``summary`` | the summary of a run |
"""
