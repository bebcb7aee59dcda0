"""The objectives that come with hivenas, beside networks: numerical functions and recorded tables."""
