"""Pipelines: from a prompt to images, one file for each family of models."""
