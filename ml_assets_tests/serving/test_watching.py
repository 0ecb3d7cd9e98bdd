"""What is wrong with rows is counted by column, and said when there is much of it."""

import logging

import pytest

from ml_assets.serving.watching import WINDOW_ROWS


@pytest.fixture
def counted(own_client):
    """What was counted of a column, and of a kind."""

    def read(column, kind):
        start = f'ml_assets_odd_values_total{{problem="complaints",column="{column}",kind="{kind}"}}'
        lines = own_client.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(start))

    return read


@pytest.fixture
def predict(own_client):
    return lambda sent: own_client.post("/complaints/predict", json=sent).status_code


class TestCounts:
    @pytest.mark.parametrize("missing", [{"state": None}, {"state": "N/A"}, {}])
    def test_columns_that_are_missing(self, predict, counted, rows, missing):
        without = {name: value for name, value in rows[0].items() if name != "state"}

        assert predict(without | missing) == 200

        assert counted("state", "missing") == 1

    @pytest.mark.parametrize("many", [1, 60])
    def test_categories_that_the_model_did_not_learn(self, predict, counted, rows, many):
        sent = [rows[0] | {"product": "Moon loan"}] * many

        assert predict(sent) == 200

        assert counted("product", "unknown_category") == many
        assert counted("sub_product", "unknown_category") == 0

    @pytest.mark.parametrize(
        ("odd", "counter"),
        [
            ({"date_received": "soon"}, ("date_received", "wrong_type")),
            ({"timely_response": "perhaps"}, ("timely_response", "wrong_type")),
            ({"company": ["one", "two"]}, ("company", "wrong_type")),
            ({"state": "California"}, ("state", "broken_rule")),
            ({"issue": None}, ("issue", "missing")),
            ({"stat": "CA"}, ("", "unknown_column")),
        ],
    )
    def test_rows_that_are_refused(self, predict, counted, rows, odd, counter):
        assert predict(rows[0] | odd) == 422

        assert counted(*counter) == 1


class TestAlerts:
    def test_stand_while_a_column_is_odd_too_often(self, own_client, rows, caplog):
        caplog.set_level(logging.INFO, logger="ml_assets.serving")
        full = [row for row in rows if row["state"]]
        well = (full * WINDOW_ROWS)[:WINDOW_ROWS]
        odd = [row | {"company": f"Newcomer {place}"} for place, row in enumerate(well)]

        own_client.post("/complaints/predict", json=odd)
        (alert,) = alerts(own_client, "unknown_category")
        metrics = own_client.get("/metrics").text
        own_client.post("/complaints/predict", json=well)

        assert (alert["column"], alert["share"], alert["limit"]) == ("company", 1.0, 0.05)
        assert 'odd_values_share{problem="complaints",column="company",kind="unk' in metrics
        assert (
            "company has categories that the model did not learn in 100% of the last 200 rows, "
            "above 5%." in caplog.text
        )
        assert alerts(own_client, "unknown_category") == []
        assert "company has categories that the model did not learn no more" in caplog.text

    def test_do_not_mind_a_few(self, own_client, rows):
        sent = [*(rows * WINDOW_ROWS)[: WINDOW_ROWS - 2], *[rows[0] | {"company": "New"}] * 2]

        own_client.post("/complaints/predict", json=sent)

        assert alerts(own_client, "unknown_category") == []

    def test_say_that_a_column_never_comes(self, own_client, rows):
        without = [{**row, "submitted_via": None} for row in rows]

        own_client.post("/complaints/predict", json=(without * WINDOW_ROWS)[:WINDOW_ROWS])

        missing = {alert["column"] for alert in alerts(own_client, "missing")}
        assert "submitted_via" in missing
        assert "issue" not in missing

    def test_say_that_clients_send_what_is_refused(self, own_client, rows):
        for row in (rows * WINDOW_ROWS)[:WINDOW_ROWS]:
            own_client.post("/complaints/predict", json=row | {"state": "California"})

        (alert,) = alerts(own_client, "broken_rule")
        assert (alert["column"], alert["share"]) == ("state", 1.0)


def alerts(client, kind):
    """Those of a kind that stand now."""
    found = client.get("/ready").json()["alerts"]["complaints"]
    return [alert for alert in found if alert["kind"] == kind]
