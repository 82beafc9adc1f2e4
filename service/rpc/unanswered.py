"""`ListUnansweredQueries` of `autocomplete.v1.UserEventService`: queries that suggestions did not help with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autocomplete.v1 import user_event_service_pb2 as pb

from lm.errors import RequestError
from service.live.events.event import EventLog
from service.live.events.unanswered import Lack, RecentUnanswered, Unanswered
from service.models.served_models import ServedModels
from service.rpc.admission import Lanes
from service.rpc.calls import Call, Calls
from service.rpc.live_writes import no_store
from service.rpc.requests import read_model_name, read_page_place, read_page_size

_LACKS: dict[int, Lack] = {
    pb.UnansweredQuery.LACK_ACCEPTED: Lack.ACCEPTED,
    pb.UnansweredQuery.LACK_SUGGESTED: Lack.SUGGESTED,
}


class UnansweredQueriesServicer:
    """Lists them, of the last days.

    Args:
        events: None if there is no store.
        min_users: distinct users who must have sent a query that is listed.
        wall_clock: seconds since 1970.
    """

    def __init__(
        self, events: EventLog | None, models: ServedModels, *, min_users: int, wall_clock: Callable[[], float]
    ) -> None:
        self._recent = None if events is None else RecentUnanswered(events, wall_clock)
        self._models = models
        self._min_users = min_users

    async def list_unanswered(self, request: pb.ListUnansweredQueriesRequest, call: Call) -> bytes:
        """`ListUnansweredQueries`."""
        model = self._models.status(read_model_name("model", request.model) or self._models.default).name
        size, start, lack = read_page_size(request), read_page_place(request), _read_lack(request.lack)
        found, more = await call.compute(self._listed, model, lack)
        end = start + size
        return bytes(
            pb.ListUnansweredQueriesResponse(
                unanswered_queries=[
                    pb.UnansweredQuery(query=each.query, search_count=each.searches, user_count=each.users)
                    for each in found[start:end]
                ],
                next_page_token=str(end) if end < len(found) else "",
                partial=more,
            ).SerializeToString()
        )

    def handlers(self, calls: Calls, lanes: Lanes) -> dict[str, Any]:
        """gRPC's handlers by method. They read many events, so they wait behind no change of the live state."""
        listed = "ListUnansweredQueries"
        message = pb.ListUnansweredQueriesRequest
        return {listed: calls.unary(listed, lanes.long_calls, message, self.list_unanswered)}

    def _listed(self, model: str, lack: Lack) -> tuple[list[Unanswered], bool]:
        if self._recent is None:
            raise no_store()
        return self._recent.listed(model, lack, min_users=self._min_users)


def _read_lack(value: int) -> Lack:
    lack = _LACKS.get(value)
    if lack is None:
        remedy = "LACK_ACCEPTED (1): none was accepted; LACK_SUGGESTED (2): nothing was suggested."
        raise RequestError("lack", "is missing or unknown.", fault="MALFORMED", remedy=remedy)
    return lack
