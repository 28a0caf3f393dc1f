"""dom0 as Xen's control domain: files in and out, xl, xenstore, and why they fail."""
