"""The SQL database: schema, connections, migrations."""
