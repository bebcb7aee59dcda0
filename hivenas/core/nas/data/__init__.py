"""The data sets: images and labels from packages, archives and folders."""
