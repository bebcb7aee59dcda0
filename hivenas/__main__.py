"""`python -m hivenas`."""

from hivenas.cli.commands import main

if __name__ == "__main__":
    main()
