"""The DAG files, as a DAG bundle."""
