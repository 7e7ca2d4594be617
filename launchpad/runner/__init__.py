"""The program that runs on hosts: standard library only, shipped as one file, imports nothing of the rest."""
