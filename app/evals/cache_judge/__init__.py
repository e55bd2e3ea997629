"""Training and measuring the judge of the semantic cache (app/cache/judge) on labelled pairs of questions."""
