"""An export's runs in Dagster: which are launched, what they are called, what becomes of them."""
