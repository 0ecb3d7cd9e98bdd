"""Three CSV files as people have them: prices with signs and units, a rare event, dates of orders."""

import numpy as np
import pandas as pd


def flats(folder, *, rows=700):
    """A regression without a time: numbers as people write them, ids with leading zeros."""
    rng = np.random.default_rng(0)
    area = rng.lognormal(4.2, 0.4, rows).round(0)
    city = rng.choice(["Bonn", "Graz", "Zug"], rows, p=[0.5, 0.3, 0.2])
    level = pd.Series(city).map({"Bonn": 3_000, "Graz": 4_000, "Zug": 9_000}).to_numpy()
    price = area * level * rng.lognormal(0, 0.15, rows)
    df = pd.DataFrame(
        {
            "Flat-ID": [f"{number:05d}" for number in rng.permutation(rows)],
            "City": city,
            "Living area": [f"{value:.0f} m2" for value in area],
            "Rooms": np.where(
                rng.random(rows) < 0.1, "?", (area // 25 + 1).astype(int).astype(str)
            ),
            "Lift": rng.choice(["yes", "no"], rows),
            "Price": [f"${value:,.0f}" for value in price],
            "Price per m2": [f"{value:.2f}" for value in price / area],
        }
    )
    return _written(df, folder / "flats.csv")


def churn(folder, *, rows=1_500):
    """A rare event, with columns that know it, and columns about people."""
    rng = np.random.default_rng(1)
    months = rng.integers(1, 72, rows)
    contract = rng.choice(["monthly", "yearly"], rows, p=[0.6, 0.4])
    odds = -1.2 - 0.06 * months + 1.8 * (contract == "monthly")
    gone = rng.random(rows) < 1 / (1 + np.exp(-odds))
    df = pd.DataFrame(
        {
            "customer_id": [f"C-{number:06d}" for number in rng.permutation(rows)],
            "gender": rng.choice(["female", "male"], rows),
            "e-mail": [f"someone{number}@example.org" for number in range(rows)],
            "zip": [f"{number:05d}" for number in rng.choice([1067, 4109, 80331], rows)],
            "tenure_months": months,
            "contract": contract,
            "monthly_charge": rng.gamma(2.0, 30.0, rows).round(2),
            "closing_reason": np.where(gone, rng.choice(["price", "moved"], rows), ""),
            "churned": np.where(gone, "Yes", "No"),
        }
    )
    return _written(df, folder / "churn.csv")


def orders(folder, *, rows=1_200):
    """Dates with the day first, one that is after the event, and prose."""
    rng = np.random.default_rng(2)
    day = pd.Timestamp("2023-01-05") + pd.to_timedelta(np.sort(rng.integers(0, 400, rows)), "D")
    express = rng.random(rows) < 0.3
    distance = rng.gamma(2.0, 200.0, rows).round(0)
    late = rng.random(rows) < 1 / (1 + np.exp(-(distance / 200 - 3 - 2 * express)))
    words = [
        "please",
        "leave",
        "the",
        "parcel",
        "with",
        "a",
        "neighbour",
        "ring",
        "twice",
        "gate",
    ]
    df = pd.DataFrame(
        {
            "Order": [f"{number}" for number in rng.permutation(rows) + 50_000],
            "Ordered on": day.strftime("%d/%m/%Y"),
            "Delivered on": (day + pd.to_timedelta(2 + 3 * late, "D")).strftime("%d/%m/%Y"),
            "Express": np.where(express, 1, 0),
            "Distance (km)": distance,
            "Note": [" ".join(rng.choice(words, 9)) for _ in range(rows)],
            "Late?": np.where(late, "late", "on time"),
        }
    )
    return _written(df, folder / "orders.csv")


def _written(df, path):
    df.to_csv(path, index=False)
    return path
