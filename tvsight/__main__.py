"""`python -m tvsight`, as `tvsight` on the command line."""

from tvsight.cli.program import main

if __name__ == "__main__":
    main()
