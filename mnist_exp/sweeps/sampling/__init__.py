"""The sampling algorithms, which draw configurations from a search space."""
