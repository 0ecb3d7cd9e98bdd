"""The Open Inference Protocol over gRPC, spoken by Triton's own client."""

import contextlib
import re

import grpc
import numpy as np
import orjson
import pytest
import service_program
import tritonclient.grpc
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

from ml_assets.errors import MLAssetsError
from ml_assets.feedback import predictions_by_id
from ml_assets.inference import load_predictor
from ml_assets.serving.inference_messages import message_types
from ml_assets.serving.keys import make_key
from ml_assets.serving.reading import Limits
from ml_assets.serving.server import reserved_port


def inputs_of(rows):
    """Rows as a client of Triton sends them."""
    return [_input(name, [[row[name] or ""] for row in rows]) for name in rows[0]]


def _input(name, values):
    array = np.array(values, dtype=object).reshape(-1, 1)
    tensor = tritonclient.grpc.InferInput(name, list(array.shape), "BYTES")
    tensor.set_data_from_numpy(array)
    return tensor


def typed_request(rows, **rest):
    """Rows in fields of messages, as clients without a library send them."""
    inputs = [
        service_pb2.ModelInferRequest.InferInputTensor(
            name=name,
            datatype="BYTES",
            shape=[len(rows)],
            contents={"bytes_contents": [(row[name] or "").encode() for row in rows]},
        )
        for name in rows[0]
    ]
    return service_pb2.ModelInferRequest(model_name="complaints", inputs=inputs, **rest)


def column(found, name):
    return found.as_numpy(name).tolist()


@contextlib.contextmanager
def served_over_grpc(world, **options):
    """The address of a service, and an HTTP client of it."""
    with reserved_port("127.0.0.1", 0) as port:
        address = f"127.0.0.1:{port}"
        with world.served(grpc_address=address, **options) as client:
            yield address, client


@contextlib.contextmanager
def grpc_client(address):
    with tritonclient.grpc.InferenceServerClient(address) as triton:
        yield triton


@pytest.fixture(scope="module")
def served(world):
    with served_over_grpc(world) as served:
        yield served


@pytest.fixture(scope="module")
def triton(served):
    with grpc_client(served[0]) as triton:
        yield triton


class TestMessages:
    @pytest.mark.parametrize("name", sorted(message_types()))
    def test_have_the_names_numbers_and_types_that_the_public_ones_have(self, name):
        ours, theirs = message_types()[name].DESCRIPTOR, service_pb2.DESCRIPTOR
        outer, *inner = name.split(".")
        public = theirs.message_types_by_name[outer]
        for part in inner:
            public = public.nested_types_by_name[part]

        assert fields_of(ours) == fields_of(public)
        assert ours.full_name == public.full_name


def fields_of(descriptor):
    return {
        each.name: (
            each.number,
            each.type,
            each.is_repeated,
            each.message_type.full_name if each.message_type else None,
            each.containing_oneof.name if each.containing_oneof else None,
        )
        for each in descriptor.fields
    }


class TestOverGRPC:
    def test_answers_rows_as_the_embedded_model_does(self, triton, world, rows):
        model = load_predictor(world.problem, world.home)

        found = triton.infer("complaints", inputs_of(rows), request_id="mine")

        expected = model.predict(rows)
        assert column(found, "prediction") == [each.value for each in expected]
        assert column(found, "decision") == [each.decision for each in expected]
        assert found.get_response().model_version == model.version
        assert found.get_response().id == "mine"

    def test_answers_one_row_as_http_does(self, triton, served, rows):
        _, client = served
        own = client.post("/complaints/predict", json=rows[0]).json()

        found = triton.infer("complaints", inputs_of(rows[:1]))

        assert column(found, "prediction") == [own["prediction"]]

    def test_answers_typed_contents_with_typed_contents(self, served, world, rows):
        model = load_predictor(world.problem, world.home)
        request = typed_request(rows[:3], outputs=[{"name": "prediction"}])

        with grpc.insecure_channel(served[0]) as channel:
            call = channel.unary_unary(
                "/inference.GRPCInferenceService/ModelInfer",
                request_serializer=service_pb2.ModelInferRequest.SerializeToString,
                response_deserializer=service_pb2.ModelInferResponse.FromString,
            )
            found = call(request)

        (output,) = found.outputs
        assert list(output.contents.fp64_contents) == [
            each.value for each in model.predict(rows[:3])
        ]
        assert not found.raw_output_contents

    def test_has_every_answer_in_the_log_as_it_was_asked(self, triton, world, rows):
        found = triton.infer("complaints", inputs_of(rows[:3]))

        ids = [each.decode() for each in column(found, "prediction_id")]
        logged = predictions_by_id(world.problem, world.home, ids)
        assert [logged[each].prediction for each in ids] == column(found, "prediction")
        assert [orjson.loads(logged[each].input) for each in ids] == [
            {name: value or "" for name, value in row.items()} for row in rows[:3]
        ]

    @pytest.mark.parametrize("trial", [True, False])
    def test_logs_a_trial_as_one_that_nobody_saw(self, triton, world, rows, trial):
        found = triton.infer("complaints", inputs_of(rows[:1]), parameters={"trial": trial})

        (id_,) = [each.decode() for each in column(found, "prediction_id")]
        assert predictions_by_id(world.problem, world.home, [id_])[id_].exposed is not trial

    def test_answers_by_the_version_that_is_named(self, triton, world, rows):
        other = world.register(1)
        model = load_predictor(world.problem, world.home, other.version)

        found = triton.infer("complaints", inputs_of(rows[:1]), model_version=other.version)

        assert found.get_response().model_version == other.version
        assert column(found, "prediction") == [model.predict(rows[:1])[0].value]

    def test_answers_no_rows(self, triton, rows):
        none = [_input(name, []) for name in rows[0]]

        assert column(triton.infer("complaints", none), "prediction") == []

    def test_says_that_it_is_ready(self, triton, world):
        version = load_predictor(world.problem, world.home).version

        assert triton.is_server_live()
        assert triton.is_server_ready()
        assert triton.is_model_ready("complaints")
        assert triton.is_model_ready("complaints", version)
        assert not triton.is_model_ready("complaints", "20000101T000000Z-00000")

    def test_says_what_it_reads_and_answers_as_http_does(self, triton, served):
        _, client = served
        over_http = client.get("/v2/models/complaints").json()

        found = triton.get_model_metadata("complaints")

        assert [each.name for each in found.inputs] == [e["name"] for e in over_http["inputs"]]
        assert {each.name: each.datatype for each in found.outputs} == {
            each["name"]: each["datatype"] for each in over_http["outputs"]
        }
        assert list(found.versions) == over_http["versions"]
        assert list(found.inputs[0].shape) == [-1]
        assert triton.get_server_metadata().name == "ml_assets"

    def test_is_counted(self, triton, served, rows):
        _, client = served

        triton.infer("complaints", inputs_of(rows[:1]))

        line = 'ml_assets_requests_total{problem="complaints",route="grpc_model_infer",status="200"}'
        assert line in client.get("/metrics").text

    def test_answers_by_a_new_champion_without_a_refusal(self, own_world, rows):
        inputs = inputs_of(rows[:1])
        with served_over_grpc(own_world) as (address, _), grpc_client(address) as triton:
            before = triton.infer("complaints", inputs).get_response().model_version

            released = own_world.release(own_world.register(1)).version

            seen = before
            while seen != released:
                assert seen == before
                seen = triton.infer("complaints", inputs).get_response().model_version


class TestRefusals:
    def test_name_what_is_wrong_with_a_row(self, triton, rows):
        sent = inputs_of([rows[0], rows[1] | {"state": "California"}])

        with pytest.raises(
            InferenceServerException, match=r"row 1: state: .*California"
        ) as error:
            triton.infer("complaints", sent)

        assert error.value.status() == "StatusCode.INVALID_ARGUMENT"

    def test_say_which_models_there_are_not(self, triton, rows):
        with pytest.raises(InferenceServerException, match="no problem 'homes'") as error:
            triton.infer("homes", inputs_of(rows[:1]))

        assert error.value.status() == "StatusCode.NOT_FOUND"

    def test_say_which_outputs_there_are(self, triton, rows):
        wanted = [tritonclient.grpc.InferRequestedOutput("price")]

        with pytest.raises(InferenceServerException, match="there are prediction, decision"):
            triton.infer("complaints", inputs_of(rows[:1]), outputs=wanted)

    def test_ask_for_a_key_where_one_is_needed(self, world, rows):
        key = make_key(world.home, "shop", ["predict"], now=world.clock())
        only_feedback = make_key(world.home, "app", ["feedback"], now=world.clock())
        inputs, statuses = inputs_of(rows[:1]), []

        with (
            served_over_grpc(world, with_keys=True) as (address, _),
            grpc_client(address) as triton,
        ):
            for headers in ({}, {"authorization": f"Bearer {only_feedback}"}):
                with pytest.raises(InferenceServerException) as error:
                    triton.infer("complaints", inputs, headers=headers)
                statuses.append(error.value.status())
            found = triton.infer(
                "complaints", inputs, headers={"authorization": f"Bearer {key}"}
            )

        assert statuses == ["StatusCode.UNAUTHENTICATED", "StatusCode.PERMISSION_DENIED"]
        assert len(column(found, "prediction")) == 1

    @pytest.mark.parametrize("limits", [Limits(rows=2), Limits(body_bytes=500)])
    def test_take_no_more_than_their_limits(self, world, rows, limits):
        inputs = inputs_of(rows[:3])

        with (
            served_over_grpc(world, limits=limits) as (address, _),
            grpc_client(address) as triton,
            pytest.raises(InferenceServerException) as error,
        ):
            triton.infer("complaints", inputs)

        assert error.value.status() == "StatusCode.RESOURCE_EXHAUSTED"

    def test_name_a_port_that_somebody_has(self):
        with (
            reserved_port("127.0.0.1", 0) as port,
            pytest.raises(MLAssetsError, match=f"127.0.0.1:{port} cannot.*--grpc-port"),
            reserved_port("127.0.0.1", port),
        ):
            pass


class TestProgram:
    def test_answers_with_every_process_on_one_port_and_ends_well(self, own_world, rows):
        with service_program.served(
            own_world.folder, "--workers", "2", "--grpc-port", "0"
        ) as service:
            service.wait_for(r"(?s)gRPC is answered on.*gRPC is answered on \S+\n")
            addresses = re.findall(r"gRPC is answered on (\S+)\.\n", service.said)

            with grpc_client(addresses[0]) as triton:
                found = triton.infer("complaints", inputs_of(rows[:1]))
            exit_code = service.stop()

        assert len(addresses) == 2
        assert len(set(addresses)) == 1
        assert len(column(found, "prediction")) == 1
        assert exit_code == 0
