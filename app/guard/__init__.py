"""The rails: what is screened, by what, and how it is undone for the one who may see it."""
