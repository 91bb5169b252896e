"""Journeys counted where the events lie: in PostgreSQL, in Parquet files by DuckDB, on a cluster by Spark.

`expressions` says once what a journey and a path count are; `engines` opens a place that can work it out;
`reading` turns the counts into what the models read. It needs requirements/warehouse.in, which the product
does without.
"""
