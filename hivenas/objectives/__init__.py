"""The objectives beside networks: anyone's function of choices, recorded tables, numerical functions."""
