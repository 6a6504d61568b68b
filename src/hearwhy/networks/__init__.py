"""Networks: torch modules from features to logits, each with module-form activations so that hooks and gradients work."""
