"""The embedded stack's own tests, and the fixtures that it gives to the product's."""
