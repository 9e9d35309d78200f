"""Features that an adapter never steers, from a file of ids: an ablation during training too."""

from __future__ import annotations

import json
from pathlib import Path

from harness.core.documents import Strict
from harness.core.errors import DataError
from harness.profiles.section import RelativePath


class FeatureMask(Strict):
    """The option `feature_mask` of the arm.

    Attributes:
        file: of feature ids, below the data root: a JSON list (`.json`), or one integer a line.
        keep: whether these features are the only ones that steer; otherwise they are the ones that do not.
    """

    file: RelativePath
    keep: bool = False


def silenced_features(path: Path, d_sae: int, *, keep: bool) -> list[int]:
    """Ids of the features that never steer, in order.

    Args:
        keep: whether the file lists those that do steer.

    Raises:
        DataError: not a list of different ids of this SAE, or every feature or none would be masked.
    """
    listed = set(_ids(path, d_sae))
    silenced = sorted(set(range(d_sae)) - listed if keep else listed)
    if len(silenced) in (0, d_sae):
        kind = "every feature" if silenced else "no feature"
        raise _refused(f"the mask silences {kind}", f"{path}, keep = {str(keep).lower()}")
    return silenced


def _ids(path: Path, d_sae: int) -> list[int]:
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix == ".json" else [int(line) for line in text.split()]
    except (ValueError, RecursionError) as error:
        raise _refused(f"the feature mask cannot be read ({error})", path) from error
    if not isinstance(found, list) or not all(type(one) is int for one in found):
        raise _refused("the feature mask is not a list of integers", path)
    wrong = [one for one in found if not 0 <= one < d_sae]
    if wrong:
        raise _refused(f"the feature mask names feature {wrong[0]}, the SAE has {d_sae}", path)
    if len(set(found)) < len(found):
        raise _refused("the feature mask names a feature twice", path)
    return found


def _refused(cause: str, value: object) -> DataError:
    return DataError(cause, value=value, remedy="correct the file: a JSON list of ids, or one integer a line")
