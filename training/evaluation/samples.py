"""Text that each part generates, so that a person can judge by reading."""

from __future__ import annotations

from typing import Any

from lm.models.language_model import LanguageModel
from lm.models.parts import Part
from suggest.generate import generate_text
from suggest.types import GenerationOptions

_SEEDS = (1, 2, 3)
_TOKENS = 40


def sampled_text(model: LanguageModel, part: Part) -> list[dict[str, Any]]:
    """The most probable text token by token (temperature 0), and ancestral samples by seed, from an empty prompt."""
    greedy = GenerationOptions(temperature=0.0, max_output_tokens=_TOKENS, part=part)
    choices = [greedy] + [GenerationOptions(seed=seed, max_output_tokens=_TOKENS, part=part) for seed in _SEEDS]
    return [
        {
            "temperature": options.temperature,
            "seed": options.seed,
            "text": "".join(chunk.text for chunk in generate_text(model, "", options)),
        }
        for options in choices
    ]
