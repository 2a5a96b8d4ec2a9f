"""What runs plain functions over many items: this machine, or a cluster."""
