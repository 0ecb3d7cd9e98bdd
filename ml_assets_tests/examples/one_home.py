"""Two records of one home, as two sources tell of it; their areas disagree."""

FLAT = {
    "room": 2,
    "built_date": "1990-05",
    "cooling_system": "Electric",
    "heating_system": "heat pump",
    "address": "15 Star Thistle, Irvine, CA 92604",
    "price": "130000",
    "garage_spaces": 2,
    "area": "1200 sqft",
}
NESTED = {
    "room": 2,
    "built date": "1990 May",
    "temprature system": {"cooler": "Electric", "heater": "heat pump"},
    "address": {
        "state": "CA",
        "city": "Irvine",
        "street": "15 Star Thistle",
        "zip code": "92604",
    },
    "price": "130000",
    "garage_spaces": 2,
    "area": "130 m2",
}
