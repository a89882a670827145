"""The product on older engines of ClickHouse than the one of the embedded stack."""
