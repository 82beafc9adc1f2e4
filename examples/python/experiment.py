"""Users who search while versions of a model answer side by side, and whose events say which of them is better.

Each user types a few queries of a file, letter by letter, and takes a query as soon as it is among the first three
suggestions. One impression, the last list, and one selection or submission tell of each search.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from pathlib import Path
from typing import Any

from autocomplete.v1.user_event_service_pb2 import ShownSuggestion, UserEvent

from autocomplete_client import Client

LOOKED_AT = 3
FIRST_LETTERS = 2
AT_ONCE = 500


def searched(client: Client, user: str, wanted: str) -> tuple[list[UserEvent], str]:
    """The events of one search, and the version that answered it."""
    for letters in range(FIRST_LETTERS, len(wanted) + 1):
        answer = client.complete_query(wanted[:letters], user_pseudo_id=user, timeout_s=10)
        texts = [each.text for each in answer.suggestions[:LOOKED_AT]]
        if wanted in texts:
            break
    said: dict[str, Any] = {"attribution_token": answer.attribution_token, "user_pseudo_id": user}
    shown = [ShownSuggestion(text=each.text, source=each.source) for each in answer.suggestions]
    typed = wanted[:letters]
    impression = UserEvent(event_type=UserEvent.EVENT_TYPE_IMPRESSION, query=typed, shown=shown, **said)
    end = UserEvent(event_type=UserEvent.EVENT_TYPE_SUBMISSION, query=wanted, **said)
    if wanted in texts:
        end.event_type = UserEvent.EVENT_TYPE_SELECTION
        end.selected_position = texts.index(wanted)
        end.typed_length = letters
    return [impression, end], answer.model_version


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
    events: list[UserEvent] = []
    versions: Counter[str] = Counter()
    with Client(given.server) as client:
        for number in range(given.users):
            user = f"{given.seed}-{number}"
            for wanted in rng.choices(queries, k=given.searches):
                found, version = searched(client, user, wanted)
                events += found
                versions[version] += 1
        for start in range(0, len(events), AT_ONCE):
            client.write_user_events(events[start : start + AT_ONCE])
    for version, count in sorted(versions.items()):
        print(f"{version}: {count} searches")


if __name__ == "__main__":
    main()
