"""Small bundles in languages other than English, really trained on made-up sentences and queries."""

from __future__ import annotations

import random
from pathlib import Path

from lm.bundle.registry import Registry
from suggest.model import Model, open_model
from training.config import TrainingConfig
from training.pipeline import train
from training.progress import SilentReporter

# Each list from the most to the least frequent.
KOREAN_SENTENCES = [
    "오늘은 한국 음식을 먹었어요.",
    "한국 여행을 가고 싶어요.",
    "장바구니에 과자를 담았어요.",
    "값싼 과자를 많이 샀어요.",
    "닭갈비 맛집을 찾고 있어요.",
    "하늘이 맑고 날씨가 좋아요.",
    "집에 우유가 없다고 했어요.",
    "ㅋㅋ 정말 재미있어요.",
    "의자에 앉아서 책을 읽었어요.",
    "내일은 비가 온다고 해요.",
]
KOREAN_QUERIES = [
    "한국 음식",
    "카카오톡",
    "한국 여행",
    "하나은행",
    "장바구니",
    "닭갈비 맛집",
    "값싼 과자",
    "과자 추천",
    "한국",
    "장바구니 담기",
    "하늘 사진",
    "없다 뜻",
    "ㅋㅋ 뜻",
    "달걀 요리",
    "괴물 영화",
]
CHINESE_SENTENCES = [
    "今天天气很好。",
    "今天天气预报说会下雨。",
    "我们去北京大学学习。",
    "我喜欢吃北京烤鸭。",
    "明天我们去看电影。",
    "他说明天天气很冷、不想出门。",
]
CHINESE_QUERIES = ["天气预报", "北京大学", "北京烤鸭", "天气预报北京", "电影票", "今天天气", "北京天气"]
JAPANESE_SENTENCES = [
    "今日は天気がいいです。",
    "日本語を勉強しています。",
    "東京タワーへ行きました。",
    "日本料理が好きです。",
    "明日は天気が悪いです。",
    "コーヒーを飲みながら日本語の本を読みます。",
]
JAPANESE_QUERIES = ["天気予報", "日本語", "東京タワー", "日本料理", "東京駅", "コーヒー豆", "日本語勉強"]
THAI_SENTENCES = [
    "วันนี้อากาศดีมาก",
    "ฉันกำลังไปโรงเรียน",
    "ฉันชอบกินข้าวผัด",
    "พรุ่งนี้ฝนจะตก",
    "เราไปเที่ยวกรุงเทพ",
    "น้ำในแม่น้ำเย็นมาก",
]
THAI_QUERIES = ["กรุงเทพ", "ข้าวผัด", "โรงเรียน", "อากาศวันนี้", "น้ำตก", "ข้าวผัดกุ้ง", "เที่ยวกรุงเทพ"]

_TINY = {"embedding_size": 16, "hidden_size": 16, "tokens_per_batch": 256, "max_steps": 20, "max_epochs": 20}
_NGRAM = {"order": 4, "discount_fallback": True, "memory": "64M"}


def train_script_bundle(
    folder: Path, sentences: list[str], queries: list[str], language_models: list[dict[str, object]]
) -> Model:
    """Trains below `folder` and opens what came of it."""
    _write(folder / "text.txt", sentences)
    _write(folder / "queries.txt", queries)
    config = TrainingConfig.model_validate(
        {
            "name": "script",
            "work": "work",
            "text": [{"path": "text.txt"}],
            "query_log": [{"path": "queries.txt"}],
            "screening": {"min_length": 2},
            "publishing": {"registry": "registry"},
            "language_models": [{"ngram": _NGRAM, **each} for each in language_models],
        }
    )
    train(config, base=folder, reporter=SilentReporter())
    return open_model(Registry(folder / "registry").resolve("script"))


def korean_bundle(folder: Path) -> Model:
    """Subwords for queries and words for text, both with a neural part."""
    subwords = {"name": "queries", "unit": "subword", "sources": ["queries"], "vocabulary_size": 90}
    words = {"name": "text", "unit": "word", "sources": ["text"]}
    models: list[dict[str, object]] = [{**each, "neural": _TINY} for each in (subwords, words)]
    return train_script_bundle(folder, KOREAN_SENTENCES, KOREAN_QUERIES, models)


def subword_bundle(folder: Path, sentences: list[str], queries: list[str], size: int) -> Model:
    """One model of subwords for text and queries."""
    model: dict[str, object] = {"name": "all", "unit": "subword", "sources": ["text", "queries"]}
    return train_script_bundle(folder, sentences, queries, [{**model, "vocabulary_size": size}])


def _write(path: Path, lines: list[str]) -> None:
    """Each line many times over, the first ones most often, in random order."""
    many = [line for number, line in enumerate(lines) for _ in range(150 // (number + 2))]
    random.Random(7).shuffle(many)
    path.write_text("\n".join(many) + "\n", encoding="utf-8")
