"""Stands for Colab's own package, which is what the bootstrap cell looks for."""
