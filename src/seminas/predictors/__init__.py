"""Performance predictors: models that predict accuracies from labeled architectures, and how well they rank."""
