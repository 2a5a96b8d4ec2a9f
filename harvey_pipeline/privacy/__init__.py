"""The privacy of people: what is known of a person, and how all of it is erased."""
