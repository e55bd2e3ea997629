"""What runs beside the stack: each module is a ``ray job submit`` entry point or a step of set-up."""
