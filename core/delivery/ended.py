"""What an export ends with: the sentence and the record of the command, and of its job."""

from pathlib import Path

from core.arrays import JsonObject
from core.delivery.manifest import Manifest, Rule
from core.delivery.model_card import exactly
from core.wording import target


def export_ended(manifest: Manifest, folder: Path) -> tuple[str, JsonObject]:
    """Return the sentence and the record that writing a bundle into a folder ends with."""
    told = [f"{rule.policy}: {rule_words(rule)}" if len(manifest.rules) > 1 else rule_words(rule) for rule in manifest.rules]
    record = {"folder": str(folder), **_slim(manifest.to_json())}
    return f"Bundle {manifest.version} written to {folder}: {'; '.join(told)}.", record


def _slim(record: JsonObject) -> JsonObject:
    """Return a manifest without the quantiles of its scores, which only a program reads."""
    without = {key: value for key, value in record.items() if key != "score_quantiles"}
    return without | {"rules": [_slim(rule) for rule in record["rules"]]} if "rules" in record else without


def rule_words(rule: Rule) -> str:
    """Say what a threshold is, what it does, and whether a promise covers it."""
    held, words = rule.promise, "without a promise"
    if held is not None and held.covers_this_threshold:
        words = f"with the promise of {target(held.recall)} recall"
    elif held is not None:
        words = f"which the promise of opening {held.number} does not cover"
    return f"{rule.chosen}; review images that score ≥ {exactly(rule.threshold)}, {words}"
