"""`python -m recirc` is the command line."""

from recirc.cli import main

if __name__ == "__main__":
    main()
