"""The loop: figures are read, curves fitted, changes proposed, decided, carried out, and measured."""
