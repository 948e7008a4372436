"""``python -m seminas`` is ``seminas``."""

from seminas.commands.main import main

if __name__ == "__main__":
    main()
