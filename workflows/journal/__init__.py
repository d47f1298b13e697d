"""What a run says of itself while it works: a small file in the dataset, which any machine can read."""
