"""kill -9 under load: whatever a client was told is in the store, is there."""

import os
import signal
import threading
from contextlib import contextmanager

import httpx
import pytest
from service_program import is_alive, served, wait_until

from ml_assets.feedback import events_of, predictions_by_id

ROUNDS = 50
CONNECTIONS = 4

pytestmark = pytest.mark.slow


class Acknowledged:
    """Ids that clients were given."""

    def __init__(self):
        self.predictions = []
        self.feedback = []
        self.broken = 0

    def ask(self, client, rows):
        """Predict some rows and say what came of the first; remember what was acknowledged."""
        sent = client.post("/complaints/predict", json=rows).json()
        ids = [each["id"] for each in sent["predictions"]]
        self.predictions += ids
        event = {"prediction_id": ids[0], "label": 1}
        receipt = client.post("/complaints/feedback", json=event).json()
        if receipt["taken"] == 1:
            self.feedback.append(ids[0])


@contextmanager
def load(service, rows):
    """Ask on several connections while the block runs, and begin anew when one is cut."""
    told = Acknowledged()
    over = threading.Event()

    def ask(number):
        while not over.is_set():
            try:
                with service.client() as client:
                    while not over.is_set():
                        told.ask(client, rows[number : number + 3])
            except httpx.TransportError:
                told.broken += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    try:
        yield told
    finally:
        over.set()
        for thread in threads:
            thread.join()


def wait_until_more(ids):
    """Wait until the load is on again."""
    before = len(ids)
    wait_until(lambda: len(ids) > before, 30)


def kill(processes):
    """End processes as a power cut would."""
    for process in processes:
        os.kill(process, signal.SIGKILL)
    wait_until(lambda: not any(map(is_alive, processes)), 30)


def test_no_acknowledged_answer_is_lost_in_fifty_kills(own_world, rows):
    problem, home = own_world.problem, own_world.home

    with served(own_world.folder, "--workers", "2") as service, load(service, rows) as told:
        for _ in range(ROUNDS):
            workers = service.wait_until_workers(2)
            wait_until_more(told.feedback)
            kill(workers)

    with home.store.connect() as connection:
        events = events_of(connection, problem, told.predictions)
    assert (
        set(told.predictions) - set(predictions_by_id(problem, home, told.predictions)) == set()
    )
    assert set(told.feedback) - {event.prediction_id for event in events} == set()
    assert service.said.count("another takes its place") >= 2 * (ROUNDS - 1)
    assert len(told.feedback) >= ROUNDS
    assert told.broken >= ROUNDS
