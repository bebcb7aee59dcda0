"""`python -m hivenas`."""

from hivenas.cli import main

if __name__ == "__main__":
    main()
