"""A regression served: values with their intervals, by every way of asking, and what is kept of them."""

from dataclasses import replace

import numpy as np
import orjson
import pytest
import tritonclient.http
from flats import FLATS, NOW, admit, draw, learned_from
from jsonschema import validate

from ml_assets.feedback import newest_predictions, predictions_by_id
from ml_assets.feedback.review import review_queue
from ml_assets.feedback.scoring import predict_partition, predictions_table
from ml_assets.inference import load_predictor
from ml_assets.registry import champion, evaluate, load_bundle
from ml_assets.serving.replay import served_alike

ROW = {
    "flat_id": "flat-1",
    "sold_at": "2020-09-05T00:00:00Z",
    "location": "Bonn",
    "area_m2": 80.0,
    "rooms": 3.0,
    "heating": "gas",
}
M2_PER_SQFT = 0.09290304
PER_USD = {"EUR": 0.9, "CAD": 1.4}


def in_square_metres(row):
    """Clients may say `area_sqft`, and the currency that they want; the contract has neither."""
    if "area_sqft" in row:
        row["area_m2"] = float(row.pop("area_sqft")) * M2_PER_SQFT
    return {name: value for name, value in row.items() if name != "currency"}


def in_their_currency(price_usd, row, interval):
    """The price and its interval, in the client's currency."""
    currency = row.get("currency", "USD")
    rate = PER_USD.get(currency, 1.0)
    ends = [round(end * rate) for end in (interval.lower, interval.upper)]
    return {"currency": currency, "price": round(price_usd * rate), "between": ends}


HOOKED = replace(FLATS, request_hook=in_square_metres, response_hook=in_their_currency)


@pytest.fixture(scope="module")
def flats(trained):
    rows = draw(1_500, np.random.default_rng(0))
    world = trained(HOOKED, learned=lambda problem, home: learned_from(problem, home, rows))
    evaluate(HOOKED, world.home, champion(HOOKED, world.home), now=NOW)
    return world


@pytest.fixture(scope="module")
def model(flats):
    return load_predictor(HOOKED, flats.home)


@pytest.fixture(scope="module")
def client(flats):
    with flats.served() as client:
        yield client


def test_gives_an_interval_with_each_value(client, model):
    (expected,) = model.predict([ROW])

    answer = client.post("/flats/predict", json=ROW).json()

    assert answer["prediction"] == expected.value
    assert answer["decision"] is None
    assert answer["interval"] == expected.interval._asdict()
    assert answer["interval"]["lower"] < answer["prediction"] < answer["interval"]["upper"]
    assert answer["interval"]["coverage"] == 0.9


def test_says_so_in_its_description(client):
    answer = client.post("/flats/predict", json=[ROW, ROW]).json()
    document = client.get("/openapi.json").json()

    operation = document["paths"]["/flats/predict"]["post"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    validate(answer, schema)
    one = schema["oneOf"][0]["properties"]
    assert one["interval"]["required"] == ["lower", "upper", "coverage"]


def test_answers_clients_of_the_open_inference_protocol_with_both_ends(client, model):
    (expected,) = model.predict([ROW])
    inputs = []
    for name, value in ROW.items():
        kind = "BYTES" if isinstance(value, str) else "FP64"
        tensor = tritonclient.http.InferInput(name, [1], kind)
        tensor.set_data_from_numpy(np.array([value], object if kind == "BYTES" else float))
        inputs.append(tensor)

    with tritonclient.http.InferenceServerClient(client.base_url.netloc.decode()) as triton:
        outputs = [each["name"] for each in triton.get_model_metadata("flats")["outputs"]]
        answer = triton.infer("flats", inputs)

    assert outputs == ["prediction", "lower", "upper", "prediction_id", "shown"]
    found = [answer.as_numpy(name).tolist() for name in ("prediction", "lower", "upper")]
    assert found == [[expected.value], *([end] for end in expected.interval[:2])]


def test_keeps_both_ends_in_the_prediction_log(client, flats):
    answer = client.post("/flats/predict", json=ROW).json()

    logged = predictions_by_id(HOOKED, flats.home, [answer["id"]])[answer["id"]]

    assert {"lower": logged.lower, "upper": logged.upper, "coverage": 0.9} == answer["interval"]


def test_shows_a_client_the_price_and_its_interval_in_its_own_units_and_currency(client):
    asked = {name: value for name, value in ROW.items() if name != "area_m2"}
    asked |= {"area_sqft": 80.0 / M2_PER_SQFT, "currency": "EUR"}

    plain = client.post("/flats/predict", json=ROW).json()
    answer = client.post("/flats/predict", json=asked).json()

    assert answer["prediction"] == pytest.approx(plain["prediction"])
    ends = [plain["interval"][end] for end in ("lower", "upper")]
    assert answer["shown"] == {
        "currency": "EUR",
        "price": round(0.9 * plain["prediction"]),
        "between": [round(0.9 * end) for end in ends],
    }


def test_shows_a_hook_of_two_arguments_what_it_saw_before_there_were_intervals(flats):
    problem = replace(
        FLATS, response_hook=lambda price, row: {"per_m2": price / row["area_m2"]}
    )
    predictor = load_predictor(HOOKED, flats.home)
    hooked = type(predictor)(problem, predictor.bundle)

    answer = hooked.answer(ROW)

    assert answer.shown == {"per_m2": answer.prediction.value / 80.0}


def test_answers_a_partition_with_the_same_intervals(flats, model):
    admit(HOOKED, flats.home, draw(200, np.random.default_rng(9), start="2020-12-01", months=1))

    predict_partition(HOOKED, flats.home, model, "2020-12", run_id="test", now=NOW)

    found = flats.home.lake.read(predictions_table(HOOKED), partitions=["2020-12"]).to_pylist()
    rows = flats.home.lake.read(
        "flats/validated", partitions=["2020-12"], columns=HOOKED.known_columns
    ).to_pylist()
    expected = {
        row["flat_id"]: prediction.interval
        for row, prediction in zip(rows, model.predict(rows), strict=True)
    }
    assert len(found) == 200
    for row in found:
        assert (row["lower"], row["upper"]) == expected[row["flat_id"]][:2]


class TestReplay:
    def test_compares_the_intervals_of_held_out_rows(self, flats):
        version = champion(HOOKED, flats.home)
        bundle = load_bundle(HOOKED, flats.home, version)

        finding = served_alike(flats.clock)(HOOKED, flats.home, version, bundle)

        assert finding.passed, finding.text

    def test_blocks_an_interval_that_is_not_the_one_the_model_was_measured_by(self, flats):
        version = champion(HOOKED, flats.home)
        bundle = load_bundle(HOOKED, flats.home, version)
        wider = replace(bundle.manifest.intervals, groups={})
        manifest = bundle.manifest.model_copy(update={"intervals": wider})

        finding = served_alike(flats.clock)(
            HOOKED, flats.home, version, replace(bundle, manifest=manifest)
        )

        assert not finding.passed
        assert "the lower end in" in finding.text
        assert "the prediction" not in finding.text


class TestReview:
    def test_asks_first_about_the_widest_interval_for_its_value(self, client):
        for city in ("Berlin", "Sydney", "Madrid"):
            client.post("/flats/predict", json=ROW | {"location": city})

        page = client.get("/flats/review?limit=200").json()

        widths = [
            (each["upper"] - each["lower"]) / each["prediction"] for each in page["waiting"]
        ]
        assert len(widths) >= 3
        assert (np.diff(widths) < 1e-9).all()
        assert page["threshold"] is None

    def test_goes_on_where_the_page_before_ended(self, client, flats):
        client.post("/flats/predict", json=[ROW] * 3)
        first = review_queue(HOOKED, flats.home, now=flats.clock(), limit=2)

        second = review_queue(HOOKED, flats.home, now=flats.clock(), limit=2, after=first.after)

        ids = [each.prediction.id for each in (*first.waiting, *second.waiting)]
        assert len(set(ids)) == 4

    def test_takes_the_value_that_a_reviewer_gives(self, client):
        answer = client.post("/flats/predict", json=ROW).json()
        event = {"prediction_id": answer["id"], "label": 250_000.0, "reviewer": "Ada"}

        receipt = client.post("/flats/review", json=event).json()

        assert receipt["taken"] == 1
        waiting = client.get("/flats/review?limit=200").json()["waiting"]
        assert answer["id"] not in {each["id"] for each in waiting}


def test_tells_the_console_what_intervals_and_local_models_there_are(client):
    told = client.get("/flats/overview").json()

    assert told["trained"]["intervals"]["coverage"] == 0.9
    assert set(told["trained"]["intervals"]["groups"]) <= {"Berlin", "Bonn", "Madrid", "Sydney"}
    by_slice = {each["value"]: each for each in told["evaluation"]["slices"]}
    assert (
        by_slice["Berlin"]["metrics"]["median_ape"]
        < by_slice["Berlin"]["baseline"]["median_ape"]
    )


def test_logs_no_ends_where_a_model_gives_no_interval(trained):
    world = trained(
        without_interval := replace(
            FLATS, config=FLATS.config.model_copy(update={"training": plain_training()})
        ),
        learned=lambda problem, home: learned_from(
            problem, home, draw(600, np.random.default_rng(0))
        ),
    )

    with world.served() as client:
        answer = client.post("/flats/predict", json=ROW).json()

    assert "interval" not in answer
    (logged,) = newest_predictions(without_interval, world.home, until=world.clock(), days=1)
    assert (logged.lower, logged.upper) == (None, None)
    assert orjson.loads(logged.input)["location"] == "Bonn"


def plain_training():
    return FLATS.config.training.model_copy(update={"interval": None})
