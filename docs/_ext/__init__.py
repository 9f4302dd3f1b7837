"""The modules that make the web page; each adds one thing to Sphinx."""
