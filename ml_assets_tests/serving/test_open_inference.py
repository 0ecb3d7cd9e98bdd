"""The Open Inference Protocol, spoken by Triton's own clients."""

import contextlib

import numpy as np
import orjson
import pytest
import tritonclient.http
from hooked import PLAIN
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from ml_assets.feedback import predictions_by_id
from ml_assets.inference import load_predictor
from ml_assets.serving.keys import make_key
from ml_assets.serving.reading import Limits


def as_arrays(rows):
    """Columns of rows, as one who has no None for a text writes them."""
    return {
        name: np.array([[row[name] or ""] for row in rows], dtype=object) for name in rows[0]
    }


def inputs_of(kind, columns, **how):
    """Columns as a client of Triton sends them."""
    return [_input(kind, name, values, **how) for name, values in columns.items()]


def _input(kind, name, values, **how):
    datatype = "BYTES" if values.dtype == object else np_to_triton_dtype(values.dtype)
    tensor = kind.InferInput(name, list(values.shape), datatype)
    tensor.set_data_from_numpy(values, **how)
    return tensor


def column(found, name):
    return found.as_numpy(name).tolist()


def texts(found, name):
    return [each.decode() for each in column(found, name)]


@contextlib.contextmanager
def http_client(client):
    """Triton's HTTP client of the server that another client asks."""
    triton = tritonclient.http.InferenceServerClient(client.base_url.netloc.decode())
    with contextlib.closing(triton):
        yield triton


@pytest.fixture(scope="module")
def triton(client):
    with http_client(client) as triton:
        yield triton


class TestOverHTTP:
    def test_answers_binary_tensors_as_the_embedded_model_does(self, triton, world, rows):
        model = load_predictor(world.problem, world.home)

        found = triton.infer("complaints", inputs_of(tritonclient.http, as_arrays(rows)))

        expected = model.predict(rows)
        assert column(found, "prediction") == [each.value for each in expected]
        assert column(found, "decision") == [each.decision for each in expected]
        assert found.get_response()["model_version"] == model.version

    def test_answers_one_row_as_its_own_json_does(self, triton, client, rows):
        own = client.post("/complaints/predict", json=rows[0]).json()

        found = triton.infer("complaints", inputs_of(tritonclient.http, as_arrays(rows[:1])))

        assert column(found, "prediction") == [own["prediction"]]

    def test_answers_tensors_in_json_with_tensors_in_json(self, triton, client, rows):
        wanted = [tritonclient.http.InferRequestedOutput("prediction", binary_data=False)]
        inputs = inputs_of(tritonclient.http, as_arrays(rows[:3]), binary_data=False)

        found = triton.infer("complaints", inputs, outputs=wanted, request_id="mine")

        own = client.post("/complaints/predict", json=rows[:3]).json()["predictions"]
        (output,) = found.get_response()["outputs"]
        assert output["data"] == [each["prediction"] for each in own]
        assert found.get_response()["id"] == "mine"

    def test_has_every_answer_in_the_log_as_it_was_asked(self, triton, world, rows):
        found = triton.infer("complaints", inputs_of(tritonclient.http, as_arrays(rows[:3])))

        ids = texts(found, "prediction_id")
        logged = predictions_by_id(world.problem, world.home, ids)
        assert [logged[each].prediction for each in ids] == column(found, "prediction")
        assert [orjson.loads(logged[each].input) for each in ids] == [
            {name: value or "" for name, value in row.items()} for row in rows[:3]
        ]
        assert all(each.exposed for each in logged.values())

    def test_logs_a_trial_as_one_that_nobody_saw(self, triton, world, rows):
        found = triton.infer(
            "complaints",
            inputs_of(tritonclient.http, as_arrays(rows[:1])),
            parameters={"trial": True},
        )

        ids = texts(found, "prediction_id")
        assert not predictions_by_id(world.problem, world.home, ids)[ids[0]].exposed

    def test_answers_by_the_version_that_is_named(self, triton, world, rows):
        other = world.register(1)
        model = load_predictor(world.problem, world.home, other.version)

        found = triton.infer(
            "complaints",
            inputs_of(tritonclient.http, as_arrays(rows[:1])),
            model_version=other.version,
        )

        assert found.get_response()["model_version"] == other.version
        assert column(found, "prediction") == [model.predict(rows[:1])[0].value]

    def test_answers_no_rows(self, triton, rows):
        none = {name: values[:0] for name, values in as_arrays(rows).items()}

        found = triton.infer("complaints", inputs_of(tritonclient.http, none))

        assert column(found, "prediction") == []

    def test_says_that_it_is_ready(self, triton, world):
        version = load_predictor(world.problem, world.home).version

        assert triton.is_server_live()
        assert triton.is_server_ready()
        assert triton.is_model_ready("complaints")
        assert triton.is_model_ready("complaints", version)
        assert not triton.is_model_ready("complaints", "20000101T000000Z-00000")
        assert not triton.is_model_ready("homes")

    def test_says_what_it_reads_and_answers(self, triton, world):
        version = load_predictor(world.problem, world.home).version

        found = triton.get_model_metadata("complaints")

        assert {"name": "product", "datatype": "BYTES", "shape": [-1]} in found["inputs"]
        assert [each["name"] for each in found["inputs"]] == world.problem.known_columns
        assert {each["name"]: each["datatype"] for each in found["outputs"]} == {
            "prediction": "FP64",
            "decision": "BOOL",
            "prediction_id": "BYTES",
        }
        assert version in found["versions"]
        assert triton.get_server_metadata()["extensions"] == ["binary_tensor_data"]

    def test_names_what_is_wrong_with_a_row(self, triton, rows):
        sent = as_arrays([rows[0], rows[1] | {"state": "California"}])

        with pytest.raises(
            InferenceServerException, match=r"row 1: state: .*California"
        ) as error:
            triton.infer("complaints", inputs_of(tritonclient.http, sent))

        assert error.value.status() == "422"

    def test_names_a_column_that_there_is_not(self, triton, rows):
        sent = as_arrays(rows[:1])
        sent["stat"] = sent.pop("state")

        with pytest.raises(InferenceServerException, match="did you mean state"):
            triton.infer("complaints", inputs_of(tritonclient.http, sent))

    def test_says_which_models_and_versions_there_are_not(self, triton, rows):
        inputs = inputs_of(tritonclient.http, as_arrays(rows[:1]))

        with pytest.raises(InferenceServerException, match="no problem 'homes'"):
            triton.infer("homes", inputs)
        with pytest.raises(InferenceServerException, match="99"):
            triton.infer("complaints", inputs, model_version="99")

    def test_says_which_outputs_there_are(self, triton, rows):
        with pytest.raises(InferenceServerException, match="there are prediction, decision"):
            triton.infer(
                "complaints",
                inputs_of(tritonclient.http, as_arrays(rows[:1])),
                outputs=[tritonclient.http.InferRequestedOutput("price")],
            )

    def test_asks_for_a_key_where_one_is_needed(self, world, rows):
        key = make_key(world.home, "shop", ["predict"], now=world.clock())
        inputs = inputs_of(tritonclient.http, as_arrays(rows[:1]))

        with world.served(with_keys=True) as client, http_client(client) as triton:
            with pytest.raises(InferenceServerException, match="Send a key"):
                triton.infer("complaints", inputs)
            found = triton.infer(
                "complaints", inputs, headers={"Authorization": f"Bearer {key}"}
            )

        assert len(column(found, "prediction")) == 1

    def test_takes_no_more_rows_than_its_limit(self, world, rows):
        inputs = inputs_of(tritonclient.http, as_arrays(rows[:3]))

        with (
            world.served(limits=Limits(rows=2)) as client,
            http_client(client) as triton,
            pytest.raises(InferenceServerException, match="at most 2") as error,
        ):
            triton.infer("complaints", inputs)

        assert error.value.status() == "413"

    def test_answers_by_a_new_champion_without_a_refusal(self, own_world, own_client, rows):
        inputs = inputs_of(tritonclient.http, as_arrays(rows[:1]))
        with http_client(own_client) as triton:
            before = triton.infer("complaints", inputs).get_response()["model_version"]

            released = own_world.release(own_world.register(1)).version

            seen = before
            while seen != released:
                assert seen == before
                seen = triton.infer("complaints", inputs).get_response()["model_version"]


@pytest.fixture(scope="module")
def repayments(trained):
    with trained(PLAIN).served() as client:
        yield client


def test_takes_null_for_what_a_client_does_not_say(client, rows):
    nothing = dict.fromkeys(["id", "parameters", "outputs"])
    columns = [
        {
            "name": name,
            "datatype": "BYTES",
            "shape": [1],
            "data": [[value]],
            "parameters": None,
        }
        for name, value in rows[0].items()
    ]

    found = client.post("/v2/models/complaints/infer", json={**nothing, "inputs": columns})

    own = client.post("/complaints/predict", json=rows[0]).json()
    assert found.json()["outputs"][0]["data"] == [own["prediction"]]
    assert "id" not in found.json()


LOAN = {"loan_id": "loan-1", "applied_at": "2020-11-05", "purpose": "car", "story": "word1"}


class TestNumbers:
    @pytest.mark.parametrize(
        ("amount", "income"),
        [
            (np.array([5_000.0]), np.array([20_000.0])),
            (np.array([5_000], "int64"), np.array([20_000], "int32")),
            (np.array([[5_000.0]], "float32"), np.array(["20000"], dtype=object)),
        ],
    )
    def test_are_read_from_any_datatype(self, repayments, amount, income):
        own = repayments.post(
            "/repayments/predict", json=LOAN | {"amount_usd": 5_000, "income_usd": 20_000}
        ).json()
        columns = {name: np.array([value], dtype=object) for name, value in LOAN.items()}
        columns |= {"amount_usd": amount, "income_usd": income}

        with http_client(repayments) as triton:
            found = triton.infer("repayments", inputs_of(tritonclient.http, columns))

        assert column(found, "prediction") == [own["prediction"]]

    @pytest.mark.parametrize(
        "missing",
        [{}, {"income_usd": np.array([np.nan])}, {"income_usd": np.array([""], dtype=object)}],
    )
    def test_are_missing_when_left_out_when_nan_and_when_an_empty_text(
        self, repayments, missing
    ):
        own = repayments.post("/repayments/predict", json=LOAN | {"amount_usd": 5_000}).json()
        columns = {name: np.array([value], dtype=object) for name, value in LOAN.items()}
        columns |= {"amount_usd": np.array([5_000.0]), **missing}

        with http_client(repayments) as triton:
            found = triton.infer("repayments", inputs_of(tritonclient.http, columns))

        assert column(found, "prediction") == [own["prediction"]]

    def test_say_their_datatypes(self, repayments):
        found = repayments.get("/v2/models/repayments").json()

        assert {"name": "amount_usd", "datatype": "FP64", "shape": [-1]} in found["inputs"]
        assert [each["name"] for each in found["outputs"]] == ["prediction", "prediction_id"]


def tensor(name="state", datatype="BYTES", shape=(1,), **rest):
    return {"name": name, "datatype": datatype, "shape": list(shape), **rest}


class TestRefusals:
    @pytest.mark.parametrize(
        ("inputs", "words"),
        [
            ([], "no inputs"),
            ([tensor(data=["CA"], shape=[1, 2])], "shape [1, 2]; send [n] or [n, 1]"),
            ([tensor(data=["CA"], shape=[-1])], "shape [-1]"),
            ([tensor(data=["CA"], shape=[2])], "has 1 values, and its shape says 2"),
            ([tensor(data=["CA"], shape=[10**12])], "its shape says 1,000,000,000,000"),
            ([tensor(data=[1])], "is BYTES, and has int"),
            ([tensor(data=[["CA"], "NY"], shape=[2])], "is BYTES, and has list"),
            ([tensor(data=[True], datatype="INT64")], "is INT64, and has bool"),
            ([tensor(data=["CA"], datatype="TEXT")], "'TEXT' is no datatype here"),
            ([tensor()], "state has no array of data"),
            ([tensor(data=["CA"]), tensor(data=["CA"])], "sent twice"),
            (
                [tensor(data=["CA"]), tensor("product", data=["a", "b"], shape=[2])],
                "Input state has 1 rows, and product has 2",
            ),
            ([tensor(parameters={"binary_data_size": 6})], "say 6 bytes of binary data, and 0"),
            ([tensor(parameters={"binary_data_size": -1})], "below 0"),
        ],
    )
    def test_say_what_is_wrong_with_tensors(self, client, inputs, words):
        response = client.post("/v2/models/complaints/infer", json={"inputs": inputs})

        assert response.status_code == 400
        assert words in response.json()["error"]

    @pytest.mark.parametrize(
        ("binary", "words"),
        [
            (b"\x02\x00\x00\x00C", "ends within a text"),
            (b"\x02\x00", "ends within a text"),
            (b"\x02\x00\x00\x00CA\x02\x00\x00\x00NY", "has 2 values, and its shape says 1"),
            (b"\x02\x00\x00\x00C\xff", "not UTF-8"),
        ],
    )
    def test_say_what_is_wrong_with_bytes(self, client, binary, words):
        sent = tensor(parameters={"binary_data_size": len(binary)})
        header = orjson.dumps({"inputs": [sent]})

        response = client.post(
            "/v2/models/complaints/infer",
            content=header + binary,
            headers={"Inference-Header-Content-Length": str(len(header))},
        )

        assert response.status_code in {400, 422}
        assert words in response.json()["error"]

    @pytest.mark.parametrize(
        ("body", "headers", "words"),
        [
            (b"{", {}, "not JSON"),
            (b"[]", {}, "cannot be read"),
            (b'{"inputs": 3}', {}, "inputs: Input should be a valid list"),
            (b"{}", {"Inference-Header-Content-Length": "9"}, "the body has 2 bytes"),
            (b"{}", {"Inference-Header-Content-Length": "x"}, "is 'x'"),
            (b"{}", {"Content-Encoding": "gzip"}, "send it as it is"),
        ],
    )
    def test_say_what_is_wrong_with_a_body(self, client, body, headers, words):
        response = client.post("/v2/models/complaints/infer", content=body, headers=headers)

        assert response.status_code in {400, 415}
        assert words in response.json()["error"]

    def test_have_the_form_of_the_protocol_on_every_path(self, client):
        for response, status in (
            (client.get("/v2/models"), 404),
            (client.delete("/v2/health/live"), 405),
            (client.get("/v2/models/homes"), 404),
        ):
            assert response.status_code == status
            assert list(response.json()) == ["error"]

    def test_say_that_nothing_is_ready_yet(self, empty_world):
        with empty_world.served() as client:
            responses = [
                client.get(f"/v2/{path}")
                for path in ("health/ready", "models/complaints/ready")
            ]

        assert [each.status_code for each in responses] == [503, 404]
