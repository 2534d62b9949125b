"""`python -m pulpo`: the same as the `pulpo` command."""

from pulpo.cli import main

if __name__ == "__main__":
    main()
