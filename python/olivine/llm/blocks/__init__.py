"""What architectures share: attention, feed-forward layers, rotary positions, the decoder."""
