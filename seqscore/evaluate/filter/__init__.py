"""Rows of a filter run copied as they were read into one file a bucket."""
