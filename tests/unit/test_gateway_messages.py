from __future__ import annotations

import math

import orjson
import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import model_service_pb2 as model_pb
from autocomplete.v1 import user_event_service_pb2 as event_pb
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.contract import Binding, methods
from gateway.messages import to_json
from gateway.requests import parse_object, read_message, read_request
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
def test_json_is_that_of_the_library_and_comes_back_the_same(message: Message) -> None:
    text = to_json(message)
    theirs = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    assert _keys(orjson.loads(text)) == _keys(theirs)
    assert json_format.Parse(text, type(message)()) == message


def _keys(document: object) -> object:
    if isinstance(document, dict):
        return {name: _keys(value) for name, value in document.items()}
    return [_keys(value) for value in document] if isinstance(document, list) else None


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
    model.latest_version_error.details.add().Pack(event_pb.UserEvent(query="private"))
    document = orjson.loads(to_json(model))
    assert document["createTime"] == "1970-01-01T00:00:00Z"
    assert document["state"] == "STATE_FAILED"
    details = document["latestVersionError"]["details"]
    assert details == [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "MODEL_LOADING"}]


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
def test_objects_are_read_as_by_the_library(document: dict[str, object]) -> None:
    for kind in (pb.CompleteQueryRequest, pb.PredictNextWordRequest):
        try:
            theirs: Message | None = json_format.ParseDict(document, kind())
        except (json_format.ParseError, ValueError, TypeError, OverflowError):
            theirs = None
        try:
            ours: Message | None = read_message(kind, document)
        except RequestError:
            ours = None
        assert ours == theirs


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


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '"a"', b"\xff", '{"query": "\\ud800"}', "[" * 5000])
def test_what_is_no_json_object_is_refused(text: str | bytes) -> None:
    with pytest.raises(RequestError, match="body"):
        parse_object(text)


def _event(*parameters: tuple[str, str]) -> event_pb.WriteUserEventRequest:
    binding = Binding(verb="GET", path="/", body="")
    message = read_request(event_pb.WriteUserEventRequest, binding, b"", parameters, {})
    assert isinstance(message, event_pb.WriteUserEventRequest)
    return message


def test_a_query_string_reaches_fields_of_fields_by_both_their_names() -> None:
    event = _event(
        ("user_event.query", "new york"),
        ("userEvent.selectedPosition", "3"),
        ("userEvent.eventType", "EVENT_TYPE_SELECTION"),
        ("user_event.event_time", "2026-01-02T03:04:05Z"),
    ).user_event
    assert (event.query, event.selected_position, event.event_type) == ("new york", 3, 2)
    assert event.event_time.ToJsonString() == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("user_event.nothing", "1"),
        ("nothing.query", "1"),
        ("user_event.query.more", "1"),
        ("user_event.typed_length", "x"),
    ],
)
def test_wrong_parameters_are_named(name: str, value: str) -> None:
    with pytest.raises(RequestError) as caught:
        _event((name, value))
    assert caught.value.field == name


def test_a_parameter_stands_once() -> None:
    with pytest.raises(RequestError, match="twice"):
        _event(("user_event.query", "a"), ("userEvent.query", "b"))


def test_booleans_in_a_query_string() -> None:
    binding = Binding(verb="GET", path="/", body="")
    message = read_request(pb.CompleteQueryRequest, binding, b"", [("explain", "true"), ("query", "true")], {})
    assert message == pb.CompleteQueryRequest(explain=True, query="true")
    with pytest.raises(RequestError, match="explain"):
        read_request(pb.CompleteQueryRequest, binding, b"", [("explain", "yes")], {})


def test_bindings_are_those_of_the_annotations() -> None:
    found = {
        method.name: [(each.verb, each.path, each.body) for each in method.bindings] for method in methods(admin=True)
    }
    assert found["CompleteQuery"] == [("POST", "/v1:completeQuery", "*"), ("GET", "/v1:completeQuery", "")]
    assert found["GetModel"] == [("GET", "/v1/{name=models/*}", "")]
    assert found["CreateDenyListEntry"] == [("POST", "/v1/denyListEntries", "deny_list_entry")]
    assert found["DeleteDenyListEntry"] == [("DELETE", "/v1/{name=denyListEntries/*}", "")]
    assert found["WriteUserEvent"] == [("POST", "/v1/userEvents:write", "user_event")]
    assert found["StreamCompleteQuery"] == []
    assert "CreateDenyListEntry" not in {method.name for method in methods(admin=False)}


@pytest.mark.parametrize(
    ("parameters", "body"),
    [
        ([("user_event.event_time", "2026-01-02T03:04:05Z"), ("user_event.event_time.seconds", "1")], b"{}"),
        ([("user_event.event_time.seconds", "1")], b'{"event_time": "2026-01-02T03:04:05Z"}'),
        ([("user_event", "1"), ("user_event.query", "a")], None),
    ],
)
def test_a_field_is_given_as_a_whole_or_by_its_parts(parameters: list[tuple[str, str]], body: bytes | None) -> None:
    binding = Binding(verb="POST", path="/", body="" if body is None else "user_event")
    with pytest.raises(RequestError, match="twice") as caught:
        read_request(event_pb.WriteUserEventRequest, binding, body or b"", parameters, {})
    assert caught.value.field == parameters[-1][0]
