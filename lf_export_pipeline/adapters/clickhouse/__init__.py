"""ClickHouse over HTTP: complete Arrow streams, settings of each query, errors."""
