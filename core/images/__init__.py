"""Picture files: decode them as a browser does, blur them, compare them, detect text on dark. Knows no workspace."""
