"""A stand-in for the `pulumi` command, for machines that have no Pulumi CLI.

It runs the same Python program and speaks the same protocol to resource providers as the real engine;
shared state of the two is refused, never mixed. Only what this project uses of the command is here.
"""
