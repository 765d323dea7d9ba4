"""What only writes the pages and pictures of this repository: the dictionary, the articles, the README."""
