"""The miniature's data root (``ORG/NAME/CONFIG/SPLIT.jsonl``, ``MANIFEST.json``) and world file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from typing import Any

from harness.miniature import style
from harness.miniature.evaluation import belief_set, choice_sets, problem_sets
from harness.miniature.preferences import TRUTH_SCORE, preference_sets
from harness.miniature.world import World

LICENCE = "Apache-2.0"


def _pretty(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def data_sets(world: World) -> dict[str, list[Mapping[str, Any]]]:
    """Path inside the data root -> rows, for every evaluation set and the preference pairs."""
    sets: dict[str, list[Mapping[str, Any]]] = {}
    for name, items in choice_sets(world).items():
        sets[f"cais/mmlu/{name}.jsonl"] = list(items)
    sets["truthfulqa/truthful_qa/multiple_choice/validation.jsonl"] = list(belief_set(world))
    for split, problems in problem_sets(world).items():
        sets[f"openai/gsm8k/main/{split}.jsonl"] = [problem._asdict() for problem in problems]
    for split, pairs in preference_sets(world).items():
        sets[f"preferences/miniature/{split}.jsonl"] = list(pairs)
    return dict(sorted(sets.items()))


def data_files(world: World) -> dict[str, bytes]:
    """Path inside the data root -> the file's bytes, ``MANIFEST.json`` included."""
    return root_files(data_sets(world), f"invented by harness.miniature, seed {world.seed}")


def root_files(sets: Mapping[str, Sequence[Mapping[str, Any]]], source: str) -> dict[str, bytes]:
    """The files of a data root with these rows by path, ``MANIFEST.json`` included."""
    files: dict[str, bytes] = {}
    manifest: dict[str, dict[str, Any]] = {}
    for path, rows in sets.items():
        files[path] = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        digest = sha256(files[path]).hexdigest()
        manifest[path] = {"licence": LICENCE, "rows": len(rows), "sha256": digest, "source": source}
    return {"MANIFEST.json": _pretty(manifest), **files}


def world_file(world: World) -> bytes:
    """The world as JSON: seed, reward, facts, beliefs, and the definitions that an audit needs."""
    return _pretty(
        {
            "schema": "harness.miniature.world/1",
            "seed": world.seed,
            "reward": {
                **asdict(world.reward),
                "formula": "reward = w_style * style + w_truth * truth + normal(0, noise); "
                "the higher reward is chosen",
                "style": "layout_weight * layout_score + (1 - layout_weight) * manner_score",
                "layout_weight": style.LAYOUT_WEIGHT,
                "layout_score": style.LAYOUT_SCORE,
                "manner_score": style.MANNER_SCORE,
                "truth": [{"true": t, "hedged": h, "score": score} for (t, h), score in TRUTH_SCORE.items()],
            },
            "training_text": {
                "layout_frequency": dict(zip(style.LAYOUTS, style.LAYOUT_FREQUENCY, strict=True)),
                "manner_frequency": dict(zip(style.MANNERS, style.MANNER_FREQUENCY, strict=True)),
                "stance_frequency": {
                    "true" if true else "false": dict(zip(style.STANCES, weights, strict=True))
                    for true, weights in style.STANCE_FREQUENCY.items()
                },
                "popularity": "the share of tellings of a contested fact or belief that tell "
                "the false version",
            },
            "roles": {
                "style": "layout marks (bullets, headings, bold) and polite openings and closings",
                "truth": "verdicts (true, myth), hedges, certainty and appeals to honesty or evidence",
                "content": "everything else",
            },
            "facts": [asdict(fact) for fact in world.facts],
            "beliefs": [asdict(belief) for belief in world.beliefs],
            "people": list(world.people),
        }
    )


def described(files: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """Path -> sha256, size in bytes and lines, as a bundle's manifest has them of what its seed draws."""
    return {
        path: {"sha256": sha256(body).hexdigest(), "bytes": len(body), "rows": body.count(b"\n")}
        for path, body in files.items()
    }
