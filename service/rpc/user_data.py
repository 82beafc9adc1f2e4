"""`DeleteUserData` of `autocomplete.v1.UserEventService`: forgets a user."""

from __future__ import annotations

from functools import partial
from typing import Any

from autocomplete.v1 import user_event_service_pb2 as pb

from lm.errors import RequestError
from service.live.changes import MAX_CREATOR, Change
from service.live.users.forgetting import KIND
from service.live.users.keys import UserKeys
from service.rpc.admission import Lanes
from service.rpc.calls import Call, Calls
from service.rpc.live_writes import STORE_AWAY, LiveWrites
from service.rpc.requests import MAX_USER_ID_LENGTH, check_length


class UserDataServicer:
    """Has the store forget users; what replicas remember of them goes once the change comes back from there.

    Without a store nothing of users is kept either.
    """

    def __init__(self, writes: LiveWrites, users: UserKeys) -> None:
        self._writes = writes
        self._users = users

    async def delete(self, request: pb.DeleteUserDataRequest, call: Call) -> bytes:
        """`DeleteUserData`."""
        if not request.user_pseudo_id:
            remedy = "Give the one that events were sent with."
            raise RequestError("user_pseudo_id", "is missing.", fault="MALFORMED", remedy=remedy)
        check_length("user_pseudo_id", request.user_pseudo_id, MAX_USER_ID_LENGTH)
        check_length("remover", request.remover, MAX_CREATOR)
        count = await call.compute(partial(self._forget, request.user_pseudo_id, request.remover))
        return bytes(pb.DeleteUserDataResponse(event_count=count).SerializeToString())

    def handlers(self, calls: Calls, lanes: Lanes) -> dict[str, Any]:
        """gRPC's handlers by method."""
        name = "DeleteUserData"
        return {name: calls.unary(name, lanes.forgetting, pb.DeleteUserDataRequest, self.delete)}

    def _forget(self, user_pseudo_id: str, by: str) -> int:
        """Removes first: a removal that is told of has been done. Done twice it does no harm."""
        store = self._writes.store
        with self._writes.noted(STORE_AWAY):
            count = store.events.forget(self._users.of(user_pseudo_id))
            # not even the hash: whoever has the secret could tell whom it was about
            store.append([Change(kind=KIND, key="", value={}, by=by, at_s=self._writes.wall_clock())])
        return count
