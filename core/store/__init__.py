"""What is kept on disk: the catalog, thumbnails, label book, files that are whole or absent. Imports `images`, `maths`."""
