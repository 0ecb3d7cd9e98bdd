"""Hooks around a model: what clients may say and what they are shown, by every way of asking."""

import contextlib
from dataclasses import replace

import numpy as np
import orjson
import pytest
import tritonclient.grpc
import tritonclient.http
from hooked import HOOKED, PLAIN
from loans import NOW, draw

from ml_assets.errors import ArtifactError, InferenceError, InvalidRows, ProblemError
from ml_assets.feedback import predictions_by_id
from ml_assets.feedback.scoring import predict_partition
from ml_assets.inference import Predictor, load_predictor
from ml_assets.registry import load_bundle
from ml_assets.registry.retraining import ensure_model
from ml_assets.serving.server import reserved_port

ROW = {
    "loan_id": "loan-1",
    "applied_at": "2020-11-05T00:00:00Z",
    "amount_usd": 5_000.0,
    "income_usd": 20_000.0,
    "purpose": "car",
    "story": "word1 word2 word3",
}
SENT = {name: value for name, value in ROW.items() if name != "amount_usd"} | {
    "amount_cents": 500_000,
    "story": "word1 word2 word3 4929123456781234",
    "language": "de",
}
"""The same, as a client of its own way says it."""

CLEANED = ROW | {"story": "word1 word2 word3 "}
"""What the contract is asked of."""


@pytest.fixture(scope="module")
def hooked(trained):
    return trained(HOOKED)


@pytest.fixture(scope="module")
def plain(trained):
    return trained(PLAIN)


@pytest.fixture(scope="module")
def model(hooked):
    return load_predictor(HOOKED, hooked.home)


@pytest.fixture(scope="module")
def served(hooked):
    """An HTTP client, and the address of gRPC."""
    with reserved_port("127.0.0.1", 0) as port:
        address = f"127.0.0.1:{port}"
        with hooked.served(grpc_address=address) as client:
            yield client, address


def inputs_of(kind, row):
    """A row as a client of Triton sends it, each value in its datatype."""
    for name, value in row.items():
        datatype = "BYTES" if isinstance(value, str) else "FP64"
        tensor = kind.InferInput(name, [1], datatype)
        tensor.set_data_from_numpy(np.array([value], object if datatype == "BYTES" else float))
        yield tensor


@contextlib.contextmanager
def clients(served):
    """Triton's clients, by the part of its package that they are from."""
    client, address = served
    with (
        tritonclient.grpc.InferenceServerClient(address) as grpc,
        tritonclient.http.InferenceServerClient(client.base_url.netloc.decode()) as http,
    ):
        yield {tritonclient.grpc: grpc, tritonclient.http: http}


class TestRequestHook:
    def test_makes_what_the_contract_is_asked_of(self, model):
        found = model.answer(SENT)

        assert found.asked == CLEANED
        assert found.prediction == model.answer(CLEANED).prediction
        assert found.features["amount_to_income"] == 0.25

    def test_leaves_the_row_that_was_sent_as_it_is(self, model):
        sent = dict(SENT)

        model.answer(sent)

        assert sent["amount_cents"] == 500_000
        assert sent["story"].endswith("4929123456781234")

    def test_answers_rows_together_as_alone(self, model):
        other = SENT | {"amount_cents": 90_000}

        together = model.answers([SENT, ROW, other])

        assert list(together) == [model.answer(SENT), model.answer(ROW), model.answer(other)]

    def test_answers_no_rows(self, model):
        assert list(model.answers([])) == []

    def test_gets_every_column_of_a_frame(self, model):
        frame = draw(5, np.random.default_rng(1))[list(ROW)]
        in_cents = frame.drop(columns="amount_usd").assign(
            amount_cents=frame["amount_usd"] * 100
        )

        found = [each.value for each in model.predict(in_cents)]

        assert found == pytest.approx([each.value for each in model.predict(frame)])

    def test_is_followed_by_the_contract(self, model):
        with pytest.raises(InvalidRows, match="row 1: amount_eur: is no column"):
            model.predict([ROW, ROW | {"amount_eur": 3.0}])

    def test_names_the_row_on_which_it_fails(self, model):
        with pytest.raises(
            InferenceError, match=r"Row 1 .*request hook of repayments.*TypeError"
        ):
            model.predict([ROW, SENT | {"amount_cents": "many"}])

    def test_is_refused_when_it_changes_what_training_saw(self, model):
        def in_euros(row):
            return row | {"amount_usd": float(row["amount_usd"]) * 1.1}

        with pytest.raises(
            ProblemError, match="changes rows that its contract takes: amount_usd"
        ):
            Predictor(replace(PLAIN, request_hook=in_euros), model.bundle)


class TestResponseHook:
    def test_shows_the_prediction_in_what_the_client_asked_for(self, model):
        found = model.answer(SENT)

        repaid = round(min(max(found.prediction.value, 0.0), 5_000.0), 2)
        assert found.shown == {"repaid_usd": repaid, "text": f"${repaid:,.2f} zurück"}

    def test_clips_what_is_shown_and_not_what_is_predicted(self, model):
        small = model.answer(ROW | {"amount_usd": 0.5, "income_usd": 1.0})

        assert not 0.0 <= small.prediction.value <= 0.5
        assert small.shown["repaid_usd"] in (0.0, 0.5)

    @pytest.mark.parametrize(
        "broken",
        [
            lambda _prediction, row: {"text": row["nothing"]},
            lambda _prediction, _row: {"text": object()},
            lambda _prediction, _row: 3,
        ],
    )
    def test_names_the_row_on_which_it_fails(self, model, broken):
        model = Predictor(replace(HOOKED, response_hook=broken), model.bundle)

        with pytest.raises(InferenceError, match=r"Row 0 .*response hook of repayments failed"):
            model.answer(ROW)


class TestService:
    def test_answers_by_every_protocol_as_the_embedded_model_does(self, served, model):
        expected = model.answer(SENT)

        own = served[0].post("/repayments/predict", json=SENT).json()
        with clients(served) as triton:
            found = {
                kind: client.infer("repayments", list(inputs_of(kind, SENT)))
                for kind, client in triton.items()
            }

        assert own["prediction"] == expected.prediction.value
        assert own["decision"] is None
        assert own["shown"] == expected.shown
        for each in found.values():
            assert each.as_numpy("prediction").tolist() == [expected.prediction.value]
            assert orjson.loads(each.as_numpy("shown")[0]) == expected.shown

    def test_says_that_there_is_something_to_show(self, served):
        found = served[0].get("/v2/models/repayments").json()

        assert [each["name"] for each in found["outputs"]] == [
            "prediction",
            "prediction_id",
            "shown",
        ]

    def test_describes_what_the_hook_takes_in_the_words_of_its_author(self, served):
        found = served[0].get("/openapi.json").json()["components"]["schemas"]

        row = found["RepaymentsRow"]
        assert "Cents become dollars" in row["description"]
        assert not {"required", "additionalProperties"} & row.keys()

    def test_logs_what_the_contract_read_and_nothing_else_of_the_request(self, served, hooked):
        id_ = served[0].post("/repayments/predict", json=SENT).json()["id"]

        (logged,) = predictions_by_id(HOOKED, hooked.home, [id_]).values()
        assert orjson.loads(logged.input) == CLEANED

    def test_refuses_a_row_on_which_a_hook_fails(self, served):
        response = served[0].post("/repayments/predict", json=SENT | {"amount_cents": [1]})

        assert response.status_code == 422
        assert "the request hook of repayments failed on it" in response.json()["detail"]


class TestBatch:
    def test_answers_and_shows_as_the_embedded_model_does(self, hooked, model):
        partition = hooked.home.lake.partitions("repayments/validated").popitem()[0]

        predict_partition(HOOKED, hooked.home, model, partition, run_id="batch", now=NOW)

        rows = hooked.home.lake.read("repayments/validated", partitions=[partition]).to_pylist()
        asked = [{name: row[name] for name in HOOKED.known_columns} for row in rows]
        written = hooked.home.lake.read(
            "repayments/predictions", partitions=[partition]
        ).to_pylist()
        by_id = {each["loan_id"]: each for each in written}
        for row, answer in zip(rows, model.answers(asked), strict=True):
            found = by_id[row["loan_id"]]
            assert found["prediction"] == answer.prediction.value
            assert orjson.loads(found["shown"]) == answer.shown


class TestBundle:
    def test_says_by_which_hooks_it_was_made(self, hooked, plain):
        made = [
            load_bundle(
                each.problem,
                each.home,
                ensure_model(each.problem, each.home, now=NOW, run_id="again"),
            )
            for each in (hooked, plain)
        ]

        with_hooks, without = (each.manifest.code.hooks for each in made)
        assert without == "none"
        assert len(with_hooks) == 32

    def test_is_refused_beside_other_hooks(self, hooked, plain):
        with pytest.raises(
            ArtifactError, match=r"the code of hooks is none here.*Train it again"
        ):
            load_predictor(PLAIN, hooked.home)
        with pytest.raises(
            ArtifactError, match=r"the code of hooks is \w+ here and none there"
        ):
            load_predictor(HOOKED, plain.home)

    def test_is_not_enough_for_other_hooks_so_another_is_trained(self, hooked):
        without_words = replace(HOOKED, response_hook=None)

        version = ensure_model(without_words, hooked.home, now=NOW, run_id="other")

        assert not version.unchanged
        assert ensure_model(HOOKED, hooked.home, now=NOW, run_id="same").unchanged
