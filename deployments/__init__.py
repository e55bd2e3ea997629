"""Where requests are served: thin Ray Serve classes around the logic in `app`."""
