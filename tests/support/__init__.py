"""What several tests share, each helper in a module of its own."""
