"""How accurate every elementwise derivative is, over the numbers of a format: `make atlas` writes docs/accuracy.md."""
