"""Colab's kernels have google.colab imported before the first cell; so do those of the test."""

import google.colab  # noqa: F401
