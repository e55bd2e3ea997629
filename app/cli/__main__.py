"""`python -m app.cli`, where the command is not installed."""

from app.cli.main import main

if __name__ == "__main__":
    main()
