#!/usr/bin/env python3
"""Writes LICENSES.md, the licence texts of all crates that a build links and of the libraries inside them, and sbom.spdx.json.

Usage: scripts/licenses.py MANIFEST FOLDER
"""

import json
import subprocess
import sys
from pathlib import Path

# Compiled from sources that crates carry, or Debian's static libraries: name, licence, where its text lies.
DEBIAN = ["libzstd-dev", "libdeflate-dev", "libwebp-dev", "libopenjp2-7-dev", "libblosc-dev", "liblz4-dev"]
NAMES = ("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE")


def main(manifest: str, folder: str) -> None:
    target = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    host = next(line.split(": ")[1] for line in target.splitlines() if line.startswith("host"))
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", host, "--manifest-path", manifest]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    linked = linked_packages(found)
    texts: dict[str, list[str]] = {}
    entries, packages = [], []
    for package in sorted((p for p in found["packages"] if p["id"] in linked), key=lambda p: (p["name"], p["version"])):
        licence = package["license"] or "see its text"
        entries.append(f"| {package['name']} | {package['version']} | {licence} |")
        packages.append(spdx(package["name"], package["version"], package["license"], f"pkg:cargo/{package['name']}@{package['version']}"))
        for text in licence_texts(Path(package["manifest_path"]).parent):
            texts.setdefault(text, []).append(f"{package['name']} {package['version']}")
    for package in DEBIAN:
        query = ["dpkg-query", "--show", "--showformat", "${Version}", package]
        version = subprocess.run(query, capture_output=True, text=True, check=True).stdout
        entries.append(f"| {package} (Debian) | {version} | see its text |")
        packages.append(spdx(package, version, None, f"pkg:deb/debian/{package}@{version}"))
        texts.setdefault(Path(f"/usr/share/doc/{package}/copyright").read_text(), []).append(package)
    lines = ["# What is inside, and its licences", "", "| name | version | licence |", "|---|---|---|", *entries]
    for text, owners in texts.items():
        lines += ["", f"## {', '.join(owners)}", "", "```text", text.strip().replace("```", "'''"), "```"]
    out = Path(folder)
    (out / "LICENSES.md").write_text("\n".join(lines) + "\n")
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "tilefn",
        "documentNamespace": f"https://github.com/tilefn/tilefn/sbom/{packages[0]['versionInfo']}",
        "creationInfo": {"created": created(), "creators": ["Tool: tilefn's scripts/licenses.py"]},
        "packages": packages,
    }
    (out / "sbom.spdx.json").write_text(json.dumps(document, indent=1) + "\n")


def linked_packages(found: dict) -> set[str]:
    """What the root needs at run time: no build scripts, no tests."""
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    seen, todo = set(), [found["resolve"]["root"]]
    while todo:
        identity = todo.pop()
        if identity in seen:
            continue
        seen.add(identity)
        todo += [dep["pkg"] for dep in nodes[identity]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
    return seen


def licence_texts(folder: Path) -> list[str]:
    """The texts in a crate's folder, and in those of the sources that it carries."""
    files = [path for pattern in ("*", "*/*", "*/*/*") for path in folder.glob(pattern)]
    files = [path for path in files if path.is_file() and path.name.upper().startswith(NAMES) and path.stat().st_size < 200_000]
    return [path.read_text(errors="replace") for path in sorted(files)]


def spdx(name: str, version: str, licence: str | None, url: str) -> dict:
    return {
        "SPDXID": "SPDXRef-" + "".join(c if c.isalnum() or c in ".-" else "-" for c in f"{name}-{version}"),
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": (licence or "NOASSERTION").replace("/", " OR "),
        "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url}],
    }


def created() -> str:
    """The commit's time, so that the same sources make the same file."""
    command = ["git", "log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "--format=%cd"]
    return subprocess.run(command, capture_output=True, text=True, check=True, env={"TZ": "UTC", "PATH": "/usr/bin:/bin"}).stdout.strip()


if __name__ == "__main__":
    main(*sys.argv[1:])
