"""Rails that a policy spells out: expressions, lengths, languages, hosts, topics, functions, other people's guards."""
