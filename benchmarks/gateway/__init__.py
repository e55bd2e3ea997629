"""What a gateway costs: Sextant, the LiteLLM proxy and the MLflow gateway before one provider, in one run."""
