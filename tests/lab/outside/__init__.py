"""What outside use found, each number with its brothers, on real hosts and judged from outside."""
