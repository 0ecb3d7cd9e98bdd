"""Which columns are about people in a way that models have to keep out of, by their names?"""

import re

PERSONAL = re.compile(
    r"(^|_)(e?mail|email_address|phone|telephone|mobile|first_?name|last_?name|surname|full_?name|"
    r"customer_name|address|street|ssn|social_security|passport|iban|credit_card|ip_address)(_|$)"
)
"""Names of what tells one person from all others."""
PLACES = re.compile(r"(^|_)(zip|zipcode|postcode|postal_code|plz|neighbou?rhood)(_code)?$")
"""Names of what stands for ethnicity and income, where rows are about people."""
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[a-z]{2,}", re.IGNORECASE)
PROTECTED = {
    "gender": "gender sex male female salutation pronoun",
    "ethnicity": "ethnicity ethnic race racial nationality hispanic latino tribe caste",
    "age": "age birth birthday birthdate born dob senior elderly",
    "health": "health disability disabled disease illness diagnosis medical pregnant hiv",
    "religion": "religion religious faith church denomination creed",
}


def protected_kind(name: str) -> str | None:
    """The kind of protected attribute that a name speaks of, if any.

    Example:
        >>> protected_kind("date_of_birth"), protected_kind("message")
        ('age', None)
    """
    words = set(name.split("_"))
    return next((kind for kind, named in PROTECTED.items() if words & set(named.split())), None)


def is_personal(name: str, texts: list[str]) -> bool:
    """Whether a column says who somebody is, by its name or by its texts."""
    some = texts[:50]
    return bool(PERSONAL.search(name)) or (
        bool(some) and all(EMAIL.fullmatch(text) for text in some)
    )
