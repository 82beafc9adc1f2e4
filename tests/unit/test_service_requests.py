"""What requests become once checked; refusals are tested over the wire in tests/integration."""

from __future__ import annotations

from autocomplete.v1 import autocomplete_service_pb2 as pb
from autocomplete.v1 import model_service_pb2 as model_pb

from service.rpc.requests import read_generation, read_page_size, read_query, read_score, read_words
from suggest.types import GenerationOptions, Part, QueryOptions, WordOptions


def test_defaults_of_a_query() -> None:
    question = read_query(pb.CompleteQueryRequest(), "")
    assert (question.text, question.model, question.options) == ("", "", QueryOptions())


def test_a_query_is_normalized_and_its_numbers_are_coerced() -> None:
    request = pb.CompleteQueryRequest(model="models/a-b_1", max_suggestions=1000)
    question = read_query(request, " New  York\t")
    assert (question.text, question.model, question.options.max_suggestions) == ("new york ", "a-b_1", 20)


def test_lengths_are_counted_in_code_points() -> None:
    assert len(read_query(pb.CompleteQueryRequest(), "\U00010380" * 256).text) == 256
    assert read_words(pb.PredictNextWordRequest(text="한" * 4096)).text == "한" * 4096


def test_a_text_is_taken_as_it_is() -> None:
    question = read_words(pb.PredictNextWordRequest(text=" The  U", part=pb.ENSEMBLE_PART_NGRAM, min_probability=1))
    assert question.text == " The  U"
    assert question.options == WordOptions(part=Part.NGRAM, min_probability=1.0)
    assert read_score(pb.ScoreTextRequest(text=" ")).text == " "


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
    sizes = [read_page_size(model_pb.ListModelsRequest(page_size=size)) for size in (0, 7, 5000)]
    assert sizes == [50, 7, 1000]
