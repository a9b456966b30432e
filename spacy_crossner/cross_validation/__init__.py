"""Cross-validation in place of a dev set: recipe, temperature, threshold and expected F1."""
