"""The live board: both sides of one recipe train while it is changed, and every number is opened into its trace."""
