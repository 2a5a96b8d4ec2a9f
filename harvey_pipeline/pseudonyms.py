"""Pseudonyms: what stands for a person where nobody is to be known by it."""

import hashlib
import hmac


def user_hash(secret: str, tenant_id: str, user_id: str) -> str:
    """A user's pseudonym within a tenant, 64 hexadecimal digits.

    SHA-256 of the tenant's salt and the user's id; the salt is the HMAC-SHA-256 of the secret over
    the tenant's id, in hexadecimal digits, so that the same person has another one in each tenant.
    """
    salt = hmac.new(secret.encode(), tenant_id.encode(), hashlib.sha256).hexdigest()
    return hashlib.sha256(f"{salt}{user_id}".encode()).hexdigest()
