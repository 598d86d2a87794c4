"""As much of kustomize as deploy/kubernetes uses: resources, labels, a namespace, an image's tag, JSON patches.

The program itself is on few machines. Whatever is not known here fails, instead of being left out.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

Resource = dict[str, Any]

_KEYS = {"apiVersion", "kind", "namespace", "labels", "resources", "images", "patches"}
_CLUSTERS = {"Namespace"}


def render(folder: Path) -> list[Resource]:
    """Return what `kubectl kustomize` would print, in the order of the files."""
    described = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert described.keys() <= _KEYS, described.keys() - _KEYS
    resources: list[Resource] = []
    for name in described["resources"]:
        path = folder / name
        resources += render(path) if path.is_dir() else list(yaml.safe_load_all(path.read_text()))
    for patch in described.get("patches", []):
        _patch(resources, patch["target"], yaml.safe_load((folder / patch["path"]).read_text()))
    for resource in resources:
        if resource["kind"] not in _CLUSTERS:
            resource["metadata"]["namespace"] = described["namespace"]
        for labels in described.get("labels", []):
            resource["metadata"].setdefault("labels", {}).update(labels["pairs"])
        for image in described.get("images", []):
            for container in containers(resource):
                if container["image"] == image["name"]:
                    container["image"] = f"{image['name']}:{image['newTag']}"
    return resources


def containers(resource: Resource) -> list[Resource]:
    """Return the containers of what makes pods."""
    found: list[Resource] = pod(resource).get("containers", [])
    return found


def pod(resource: Resource) -> Resource:
    """Return what a resource says of its pods; nothing if it makes none."""
    described: Resource = resource.get("spec", {}).get("template", {}).get("spec", {})
    return described


def _patch(resources: list[Resource], target: dict[str, str], operations: list[Resource]) -> None:
    (resource,) = (r for r in resources if (r["kind"], r["metadata"]["name"]) == (target["kind"], target["name"]))
    for operation in operations:
        *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:])
        place: Any = resource
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place[part]
        _apply(operation["op"], place, last, copy.deepcopy(operation["value"]))


def _apply(operation: str, place: Any, last: str, value: Any) -> None:  # noqa: ANN401 - any part of a document
    key: Any = int(last) if isinstance(place, list) and last != "-" else last
    if operation == "test":
        assert place[key] == value, f"{place[key]} is not {value}"
    elif operation == "replace":
        assert place[key] is not None
        place[key] = value
    elif operation == "add" and key == "-":
        place.append(value)
    else:
        assert (operation, isinstance(place, dict)) == ("add", True), operation
        place[key] = value
