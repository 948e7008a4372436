"""Predictors and the predictor study. A predictor learns accuracies from labeled architectures."""
