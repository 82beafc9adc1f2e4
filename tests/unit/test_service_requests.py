"""What requests become once checked; refusals are tested over the wire in tests/integration."""

from __future__ import annotations

import math
from typing import Any

import pytest
from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import model_service_pb2 as model_pb

from lm.errors import RequestError
from lm.models.parts import Part
from service.config import load_settings
from service.rpc.requests import (
    Defaults,
    QueryFields,
    read_generation,
    read_page_size,
    read_query,
    read_score,
    read_words,
)
from suggest.types import Generated, GenerationOptions, QueryOptions, WordOptions


def test_defaults_of_a_query() -> None:
    question = read_query(pb.CompleteQueryRequest(), "")
    assert (question.text, question.model, question.options) == ("", "", QueryOptions())


def test_a_query_is_normalized_and_its_numbers_are_coerced() -> None:
    request = pb.CompleteQueryRequest(model="models/a-b_1", max_suggestions=1000)
    question = read_query(request, " New  York\t")
    assert (question.text, question.model, question.options.max_suggestions) == ("new york ", "a-b_1", 20)


_OFF, _FILL, _MIX = pb.GENERATED_QUERIES_OFF, pb.GENERATED_QUERIES_FILL, pb.GENERATED_QUERIES_MIX
_MESSAGES = (pb.CompleteQueryRequest, pb.StreamCompleteQueryRequest.Config)


@pytest.mark.parametrize("message", _MESSAGES)
def test_a_request_goes_before_the_server_and_that_before_the_model(message: type[QueryFields]) -> None:
    defaults = QueryOptions(generated=Generated.FILL, min_acceptance_prob=0.25)

    def read(**fields: Any) -> tuple[Generated | None, float | None]:
        options = read_query(message(**fields), "a", defaults=defaults).options
        return options.generated, options.min_acceptance_prob

    assert read() == (Generated.FILL, 0.25)
    assert read(generated=_MIX, min_acceptance_probability=0.5) == (Generated.MIX, 0.5)
    assert read(generated=_OFF, min_acceptance_probability=0) == (Generated.OFF, 0.0)
    assert read(exclude_generated=True) == (Generated.OFF, 0.25)
    assert read(exclude_generated=True, generated=_OFF) == (Generated.OFF, 0.25)
    left_open = read_query(message(), "a").options
    assert (left_open.generated, left_open.min_acceptance_prob) == (None, None)


@pytest.mark.parametrize("message", _MESSAGES)
@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"generated": 7}, "generated", "is not one of its values"),
        ({"generated": _MIX, "exclude_generated": True}, "generated", "contradicts exclude_generated"),
        ({"generated": _FILL, "exclude_generated": True}, "generated", "contradicts exclude_generated"),
        ({"min_acceptance_probability": 1.5}, "min_acceptance_probability", "is 1.5. It must be from 0 to 1"),
        ({"min_acceptance_probability": -0.5}, "min_acceptance_probability", "is -0.5. It must be from 0 to 1"),
        ({"min_acceptance_probability": math.nan}, "min_acceptance_probability", "is nan. It must be from 0 to 1"),
    ],
)
def test_what_is_wrong_is_named(message: type[QueryFields], fields: dict[str, Any], field: str, said: str) -> None:
    with pytest.raises(RequestError, match=said) as caught:
        read_query(message(**fields), "a", prefix="config.")
    assert caught.value.field == f"config.{field}"


def test_settings_become_the_defaults_of_queries() -> None:
    settings = load_settings({"generated": "off", "min_probability": 0.0})
    assert Defaults.of(settings).query == QueryOptions(generated=Generated.OFF, min_acceptance_prob=0.0)
    assert Defaults.of(load_settings({})).query == QueryOptions()


def test_lengths_are_counted_in_code_points() -> None:
    assert len(read_query(pb.CompleteQueryRequest(), "\U00010380" * 256).text) == 256
    assert read_words(pb.PredictNextWordRequest(text="한" * 4096)).text == "한" * 4096


def test_a_text_is_taken_as_it_is() -> None:
    question = read_words(pb.PredictNextWordRequest(text=" The  U", part=pb.ENSEMBLE_PART_NGRAM, min_probability=1))
    assert question.text == " The  U"
    assert question.options == WordOptions(part=Part.NGRAM, min_probability=1.0)
    assert read_score(pb.ScoreTextRequest(text=" ")).text == " "


def test_a_request_goes_before_the_servers_ghost_text() -> None:
    defaults = WordOptions(min_ghost_probability=0.7)
    asked = pb.PredictNextWordRequest(min_ghost_probability=0.0)
    assert read_words(pb.PredictNextWordRequest()).options.min_ghost_probability is None
    assert read_words(pb.PredictNextWordRequest(), defaults=defaults).options.min_ghost_probability == 0.7
    assert read_words(asked, defaults=defaults).options.min_ghost_probability == 0.0
    with pytest.raises(RequestError, match="min_ghost_probability"):
        read_words(pb.PredictNextWordRequest(min_ghost_probability=2.0))


def test_defaults_of_generation() -> None:
    assert read_generation(pb.GenerateTextRequest()).options == GenerationOptions()


def test_generation_options() -> None:
    request = pb.GenerateTextRequest(
        max_output_tokens=1000,
        temperature=0,
        top_p=1,
        top_k=1,
        seed=-5,
        beam_width=16,
        part="ENSEMBLE_PART_NEURAL",
    )
    assert read_generation(request).options == GenerationOptions(
        max_output_tokens=256, temperature=0.0, top_p=1.0, top_k=1, seed=-5, beam_width=16, part=Part.NEURAL
    )


def test_page_sizes() -> None:
    sizes = [read_page_size(model_pb.ListModelsRequest(page_size=size), 50) for size in (0, 7, 5000)]
    assert sizes == [50, 7, 1000]
