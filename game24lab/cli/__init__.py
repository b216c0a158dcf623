"""The command line. It does not know how anything is done."""
