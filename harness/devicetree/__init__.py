"""Device trees: the flattened format, what Xen reads in it, what U-Boot prints of it. Pure."""
