"""What architectures of images share."""
