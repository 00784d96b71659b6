"""Where labels stand between bad and good."""

from collections.abc import Sequence
from typing import Dict, List

# Names that say by themselves on which side a label stands; a setting `polarity` overrules them.
POLARITY = {
    **dict.fromkeys(["positive", "pos", "good", "happy", "正面", "积极", "積極", "好评"], 1.0),
    **dict.fromkeys(["negative", "neg", "bad", "unhappy", "负面", "負面", "消极", "差评"], -1.0),
    **dict.fromkeys(["neutral", "neu", "mixed", "中性", "中立"], 0.0),
}


def polarities(labels: Sequence[str], given: Dict[str, float]) -> List[float]:
    """From the setting, from the names, or, where all labels are numbers, from their order."""
    if given:
        return [float(given.get(label, 0.0)) for label in labels]
    if all(label.lower() in POLARITY for label in labels):
        return [POLARITY[label.lower()] for label in labels]
    try:
        numbers = [float(label) for label in labels]
    except ValueError:
        return [0.0] * len(labels)
    low, high = min(numbers, default=0.0), max(numbers, default=0.0)
    return [0.0 if low == high else 2 * (n - low) / (high - low) - 1 for n in numbers]
