"""One congruence suite for every place where chunks may lie."""
