"""Conversations: what people ask for, where they get stuck, whether the product fits."""
