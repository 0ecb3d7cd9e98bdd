"""Which columns say who somebody is, or stand for it? Protected attributes are for `governance`."""

import re

PERSONAL = re.compile(
    r"(^|_)(e?mail|email_address|phone|telephone|mobile|first_?name|last_?name|surname|full_?name|"
    r"customer_name|address|street|ssn|social_security|passport|iban|credit_card|ip_address)(_|$)"
)
"""Names of what tells one person from all others."""
PLACES = re.compile(r"(^|_)(zip|zipcode|postcode|postal_code|plz|neighbou?rhood)(_code)?$")
"""Names of what stands for ethnicity and income, where rows are about people."""
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[a-z]{2,}", re.IGNORECASE)


def is_personal(name: str, texts: list[str]) -> bool:
    """Whether a column says who somebody is, by its name or by its texts."""
    some = texts[:50]
    return bool(PERSONAL.search(name)) or (
        bool(some) and all(EMAIL.fullmatch(text) for text in some)
    )
