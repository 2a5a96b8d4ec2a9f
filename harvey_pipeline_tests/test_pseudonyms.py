"""Pseudonyms of people, against values worked out with openssl."""

from harvey_pipeline.pseudonyms import user_hash


def test_a_person_has_one_pseudonym_in_a_tenant_and_another_in_the_next() -> None:
    assert user_hash("secret", "f1", "u1") == FIRST
    assert user_hash("secret", "f2", "u1") != FIRST
    assert user_hash("other", "f1", "u1") != FIRST


FIRST = "f647a76c0d7cf817afa06d6701287f3fa3c8312c689b3c64c59086c819d33506"
