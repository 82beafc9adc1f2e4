from __future__ import annotations

import math
from contextlib import suppress

import orjson
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import deny_list_service_pb2 as deny_pb
from autocomplete.v1 import model_service_pb2 as model_pb
from autocomplete.v1 import user_event_service_pb2 as event_pb
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.contract import Binding, bindings, is_served, methods
from gateway.errors import status_document
from gateway.messages import parse_object, read_message, read_request, to_json
from lm.errors import RequestError

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
# the largest of single precision are, in few digits, too large for the library to read back
_FLOAT = st.floats(-(2.0**127), 2.0**127, width=32)
_SUGGESTION = st.builds(
    pb.CompleteQueryResponse.QuerySuggestion,
    text=_TEXT,
    log_probability=_FLOAT,
    acceptance_probability=_FLOAT,
    source=st.sampled_from(pb.SuggestionSource.values()),
    segments=st.lists(st.builds(pb.TextSegment, text=_TEXT, typed=st.booleans()), max_size=2),
    explanation=st.none()
    | st.builds(
        pb.ScoreExplanation, popularity_log_probability=st.none() | _FLOAT, edit_count=st.integers(-(2**31), 2**31 - 1)
    ),
    payload=_TEXT,
)
_COMPLETION = st.builds(
    pb.CompleteQueryResponse,
    suggestions=st.lists(_SUGGESTION, max_size=3),
    normalized_query=_TEXT,
    degraded=st.booleans(),
    timings=st.lists(st.builds(pb.StageTiming, stage=_TEXT), max_size=2),
)
_ANSWER = st.builds(
    pb.StreamCompleteQueryResponse,
    sequence_number=st.integers(-(2**63), 2**63 - 1),
    completion=_COMPLETION,
    is_final=st.booleans(),
)
_SCORE = st.builds(
    pb.ScoreTextResponse,
    log_probability=st.floats(allow_nan=False),
    token_scores=st.lists(st.builds(pb.ScoreTextResponse.TokenScore, token=_TEXT, log_probability=_FLOAT), max_size=2),
)


@given(_ANSWER | _SCORE)
def test_json_comes_back_the_same(message: Message) -> None:
    assert json_format.Parse(to_json(message), type(message)()) == message


def test_fields_without_presence_are_always_there() -> None:
    document = orjson.loads(to_json(pb.CompleteQueryResponse()))
    assert document["degraded"] is False
    assert document["suggestions"] == []
    assert orjson.loads(to_json(pb.StreamCompleteQueryResponse())) == {"sequenceNumber": "0", "isFinal": False}


def test_single_precision_has_as_few_digits_as_tell_it_apart() -> None:
    answer = pb.CompleteQueryResponse.QuerySuggestion(log_probability=-0.1)
    assert b'"logProbability":-0.1,' in to_json(answer)


def test_what_is_not_finite_is_a_string() -> None:
    score = pb.ScoreTextResponse(perplexity=math.inf, log_probability=-math.inf)
    document = orjson.loads(to_json(score))
    assert (document["perplexity"], document["logProbability"]) == ("Infinity", "-Infinity")


def test_well_known_types_and_errors_inside_an_answer() -> None:
    model = model_pb.Model(name="models/m", state=model_pb.Model.STATE_FAILED)
    model.create_time.FromSeconds(0)
    model.latest_version_error.code = 14
    model.latest_version_error.details.add().Pack(error_details_pb2.ErrorInfo(reason="MODEL_LOADING"))
    document = orjson.loads(to_json(model))
    assert document["createTime"] == "1970-01-01T00:00:00Z"
    assert document["state"] == "STATE_FAILED"
    (detail,) = document["latestVersionError"]["details"]
    assert (detail["@type"], detail["reason"]) == ("type.googleapis.com/google.rpc.ErrorInfo", "MODEL_LOADING")


def test_an_error_shows_the_details_of_the_api_alone() -> None:
    status = status_pb2.Status(code=3, message="no")
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="MALFORMED"))
    status.details.add().Pack(error_details_pb2.DebugInfo(detail="private"))
    status.details.add(type_url="type.googleapis.com/some.Newer", value=b"x")
    (detail,) = status_document(status)["details"]
    assert detail["reason"] == "MALFORMED"


def test_an_enum_of_a_newer_contract_is_its_number() -> None:
    answer = pb.CompleteQueryResponse.QuerySuggestion.FromString(b"\x20\x63")  # field 4, 99
    assert orjson.loads(to_json(answer))["source"] == 99


_VALUE: st.SearchStrategy[object] = (
    st.none() | st.booleans() | st.integers(-(2**33), 2**33) | _TEXT | st.floats() | st.just([]) | st.just({})
)


@given(
    st.dictionaries(
        st.sampled_from(
            ("query", "model", "maxSuggestions", "max_suggestions", "explain", "minProbability", "part", "x")
        ),
        _VALUE,
    )
)
@example({"part": math.inf})
def test_any_object_is_a_message_or_an_error_for_its_sender(document: dict[str, object]) -> None:
    for kind in (pb.CompleteQueryRequest, pb.PredictNextWordRequest):
        with suppress(RequestError):
            assert isinstance(read_message(kind, document), kind)


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"qery": "a"}, "qery"),
        ({"query": 7}, "query"),
        ({"maxSuggestions": "many"}, "maxSuggestions"),
        ({"maxSuggestions": 2**40}, "maxSuggestions"),
        ({"explain": "true"}, "explain"),
    ],
)
def test_wrong_fields_are_named(document: dict[str, object], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_message(pb.CompleteQueryRequest, document)
    assert (caught.value.field, caught.value.fault) == (field, "MALFORMED")


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"config": {"explain": 3}}, "config.explain"),
        ({"keystroke": {"sequenceNumber": "1", "text": "a"}}, "keystroke.text"),
        ({"config": {}, "keystroke": {}}, "body"),
    ],
)
def test_fields_inside_fields_are_named(document: dict[str, object], field: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_message(pb.StreamCompleteQueryRequest, document)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("events", "field"),
    [
        ([{}, {"userPseudoId": 5}], "userEvents[1].userPseudoId"),
        ([{"qery": "a"}], "userEvents[0].qery"),
        ([{"selectedPosition": True}], "userEvents[0].selectedPosition"),
        ([{"shown": [{"text": "a"}, {"text": "b", "source": "x"}]}], "userEvents[0].shown[1].source"),
        ([5], "userEvents"),
        (5, "userEvents"),
    ],
)
def test_fields_inside_lists_are_named(events: object, field: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_message(event_pb.WriteUserEventsRequest, {"userEvents": events})
    assert caught.value.field == field


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '"a"', b"\xff", '{"query": "\\ud800"}', "[" * 5000])
def test_what_is_no_json_object_is_refused(text: str | bytes) -> None:
    with pytest.raises(RequestError, match="body"):
        parse_object(text)


_IN_THE_PATH = Binding(verb="GET", path="/", body="")


def test_a_query_string_reaches_fields_by_both_their_names() -> None:
    for name in ("page_size", "pageSize"):
        message = read_request(model_pb.ListModelsRequest, _IN_THE_PATH, b"", [(name, "3"), ("pageToken", "t")], {})
        assert message == model_pb.ListModelsRequest(page_size=3, page_token="t")


@pytest.mark.parametrize(("name", "value"), [("nothing", "1"), ("query.more", "1"), ("max_suggestions", "x")])
def test_wrong_parameters_are_named(name: str, value: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_request(pb.CompleteQueryRequest, _IN_THE_PATH, b"", [(name, value)], {})
    assert caught.value.field == name


def test_a_parameter_stands_once() -> None:
    with pytest.raises(RequestError, match="twice"):
        read_request(
            pb.CompleteQueryRequest, _IN_THE_PATH, b"", [("max_suggestions", "1"), ("maxSuggestions", "2")], {}
        )


def test_a_body_may_be_one_field() -> None:
    binding = Binding(verb="POST", path="/", body="user_event")
    body = b'{"query": "a", "eventType": "EVENT_TYPE_SELECTION"}'
    message = read_request(event_pb.WriteUserEventRequest, binding, body, [], {})
    assert message == event_pb.WriteUserEventRequest(user_event={"query": "a", "event_type": 2})


def test_booleans_in_a_query_string() -> None:
    message = read_request(pb.CompleteQueryRequest, _IN_THE_PATH, b"", [("explain", "true"), ("query", "true")], {})
    assert message == pb.CompleteQueryRequest(explain=True, query="true")
    with pytest.raises(RequestError, match="explain"):
        read_request(pb.CompleteQueryRequest, _IN_THE_PATH, b"", [("explain", "yes")], {})


def test_bindings_are_those_of_the_annotations() -> None:
    found = {method.name: [(each.verb, each.path, each.body) for each in bindings(method)] for method in methods()}
    assert found["CompleteQuery"] == [("POST", "/v1:completeQuery", "*"), ("GET", "/v1:completeQuery", "")]
    assert found["GetModel"] == [("GET", "/v1/{name=models/*}", "")]
    assert found["StreamCompleteQuery"] == []


def test_what_the_protos_mark_as_planned_is_not_served() -> None:
    assert is_served(event_pb.DESCRIPTOR.services_by_name["UserEventService"])
    assert is_served(deny_pb.DESCRIPTOR.services_by_name["DenyListService"])
    assert is_served(pb.SuggestionSource.DESCRIPTOR.values_by_name["SUGGESTION_SOURCE_TRENDING"])
    assert is_served(pb.CompleteQueryRequest.DESCRIPTOR.fields_by_name["query"])
