"""Networks: torch modules from features to logits, each activation a module of its own so that hooks find it."""
