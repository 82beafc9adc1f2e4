"""Users who search while versions of a model answer side by side, and whose events say which of them is better.

Each user types a few queries of a file, letter by letter, and takes a query as soon as it is among the first three
suggestions. One impression, the last list, and one selection or submission tell of each search.
"""

from __future__ import annotations

import argparse
import random
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import autocomplete_service_pb2_grpc as pb_grpc
from autocomplete.v1 import user_event_service_pb2 as events_pb
from autocomplete.v1 import user_event_service_pb2_grpc as events_grpc

LOOKED_AT = 3
FIRST_LETTERS = 2
AT_ONCE = 500


def searched(service: Any, user: str, wanted: str) -> tuple[list[events_pb.UserEvent], str]:
    """The events of one search, and the version that answered it."""
    for letters in range(FIRST_LETTERS, len(wanted) + 1):
        request = pb.CompleteQueryRequest(query=wanted[:letters], user_pseudo_id=user)
        answer = service.CompleteQuery(request, timeout=10, wait_for_ready=True)
        texts = [each.text for each in answer.suggestions[:LOOKED_AT]]
        if wanted in texts:
            break
    else:
        texts = []
    said = {"attribution_token": answer.attribution_token, "user_pseudo_id": user}
    shown = [events_pb.ShownSuggestion(text=each.text, source=each.source) for each in answer.suggestions]
    impression = events_pb.UserEvent(
        event_id=str(uuid.uuid4()), event_type="EVENT_TYPE_IMPRESSION", query=wanted[:letters], shown=shown, **said
    )
    end = events_pb.UserEvent(event_id=str(uuid.uuid4()), event_type="EVENT_TYPE_SUBMISSION", query=wanted, **said)
    if texts:
        end.event_type = events_pb.UserEvent.EVENT_TYPE_SELECTION
        end.selected_position = texts.index(wanted)
        end.typed_length = letters
    return [impression, end], answer.model_version


def batches(events: list[events_pb.UserEvent]) -> Iterator[list[events_pb.UserEvent]]:
    """The events, as many as one call takes."""
    for start in range(0, len(events), AT_ONCE):
        yield events[start : start + AT_ONCE]


def main() -> None:
    """Plays the users."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("queries", type=Path, help="file with a query in each line")
    parser.add_argument("--server", default="127.0.0.1:50051", help="HOST:PORT of the server")
    parser.add_argument("--users", type=int, default=400)
    parser.add_argument("--searches", type=int, default=3, help="of each user")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    queries = [line for line in given.queries.read_text(encoding="utf-8").splitlines() if len(line) > FIRST_LETTERS]
    events: list[events_pb.UserEvent] = []
    versions: Counter[str] = Counter()
    with grpc.insecure_channel(given.server) as channel:
        service = pb_grpc.AutocompleteServiceStub(channel)
        for number in range(given.users):
            user = f"{given.seed}-{number}"
            for wanted in rng.choices(queries, k=given.searches):
                found, version = searched(service, user, wanted)
                events += found
                versions[version] += 1
        writing = events_grpc.UserEventServiceStub(channel)
        for batch in batches(events):
            writing.WriteUserEvents(events_pb.WriteUserEventsRequest(user_events=batch), timeout=10)
    for version, count in sorted(versions.items()):
        print(f"{version}: {count} searches")


if __name__ == "__main__":
    main()
