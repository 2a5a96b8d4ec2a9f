"""Segments: who is a power, regular or casual user, who leaves, what lies idle, what helps."""
