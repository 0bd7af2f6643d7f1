"""What a user does with turtlenet: one file a verb, the same verb as on the command line."""
