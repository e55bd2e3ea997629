"""Documents from elsewhere: web pages of allowed hosts, and object stores. They are fetched to files first."""
