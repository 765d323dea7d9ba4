"""The rules: what a layer, a loss or an optimizer gives, in balls. One class or function for each, found in tables."""
