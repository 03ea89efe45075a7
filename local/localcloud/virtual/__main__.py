"""`python -m localcloud.virtual`."""

from .commands import app

if __name__ == "__main__":
    app()
