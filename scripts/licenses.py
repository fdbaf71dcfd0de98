#!/usr/bin/env python3
"""What is inside the published files, and under which licences: LICENSES.txt for people, tilefn.spdx.json for programs.

Crates are cargo's for the target, with the licence files that lie beside their sources. The libraries under GDAL are named
here, since their files say nothing; a library without a line is an error.
"""

import argparse
import json
import re
import subprocess
from collections import defaultdict
from pathlib import Path

# Name in the file -> name, licence as in SPDX, home, and the Debian package whose file `copyright` has the text of the licence.
LIBRARIES = {
    "Lerc": ("lerc", "Apache-2.0", "https://github.com/Esri/lerc", "liblerc*"),
    "aec": ("libaec", "BSD-2-Clause", "https://gitlab.dkrz.de/k202009/libaec", "libaec0"),
    "blosc": ("c-blosc", "BSD-3-Clause", "https://github.com/Blosc/c-blosc", "libblosc1"),
    "crypto": ("openssl", "Apache-2.0", "https://github.com/openssl/openssl", "libssl3*"),
    "curl": ("curl", "curl", "https://github.com/curl/curl", "libcurl*"),
    "deflate": ("libdeflate", "MIT", "https://github.com/ebiggers/libdeflate", "libdeflate0"),
    "gdal": ("gdal", "MIT", "https://github.com/OSGeo/gdal", "libgdal[0-9]*"),
    "geos": ("geos", "LGPL-2.1-or-later", "https://github.com/libgeos/geos", "libgeos-c1*"),
    "geos_c": ("geos", "LGPL-2.1-or-later", "https://github.com/libgeos/geos", "libgeos-c1*"),
    "gif": ("giflib", "MIT", "https://giflib.sourceforge.net", "libgif7"),
    "hdf5": ("hdf5", "BSD-3-Clause", "https://github.com/HDFGroup/hdf5", "libhdf5-[0-9]*"),
    "hdf5_hl": ("hdf5", "BSD-3-Clause", "https://github.com/HDFGroup/hdf5", "libhdf5-[0-9]*"),
    "jpeg": ("libjpeg-turbo", "IJG AND BSD-3-Clause AND Zlib", "https://github.com/libjpeg-turbo/libjpeg-turbo", "libjpeg*turbo*"),
    "json-c": ("json-c", "MIT", "https://github.com/json-c/json-c", "libjson-c5"),
    "lzma": ("xz", "0BSD", "https://github.com/tukaani-project/xz", "liblzma5"),
    "netcdf": ("netcdf-c", "BSD-3-Clause", "https://github.com/Unidata/netcdf-c", "libnetcdf[0-9]*"),
    "nghttp2": ("nghttp2", "MIT", "https://github.com/nghttp2/nghttp2", "libnghttp2-14"),
    "openjp2": ("openjpeg", "BSD-2-Clause", "https://github.com/uclouvain/openjpeg", "libopenjp2-7"),
    "pcre2-8": ("pcre2", "BSD-3-Clause", "https://github.com/PCRE2Project/pcre2", "libpcre2-8-0"),
    "png16": ("libpng", "libpng-2.0", "https://github.com/pnggroup/libpng", "libpng16-16*"),
    "proj": ("proj", "MIT", "https://github.com/OSGeo/PROJ", "libproj[0-9]*"),
    "sharpyuv": ("libwebp", "BSD-3-Clause", "https://chromium.googlesource.com/webm/libwebp", "libwebp7"),
    "sqlite3": ("sqlite", "blessing", "https://sqlite.org", "libsqlite3-0"),
    "ssl": ("openssl", "Apache-2.0", "https://github.com/openssl/openssl", "libssl3*"),
    "sz": ("libaec", "BSD-2-Clause", "https://gitlab.dkrz.de/k202009/libaec", "libaec0"),
    "tiff": ("libtiff", "libtiff", "https://gitlab.com/libtiff/libtiff", "libtiff6"),
    "webp": ("libwebp", "BSD-3-Clause", "https://chromium.googlesource.com/webm/libwebp", "libwebp7"),
    "zstd": ("zstd", "BSD-3-Clause", "https://github.com/facebook/zstd", "libzstd1"),
}
TEXTS = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)", re.IGNORECASE)


def crates(target: str) -> list[dict]:
    """The crates that are linked into the program or Python's part, for this target."""
    # `cargo tree` knows which features are on; `cargo metadata` where the sources are.
    chosen = ["--package", "tilefn", "--package", "tilefn-python-api", "--features", "tilefn/aws,tilefn/ec2", "--target", target]
    tree = ["cargo", "tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--no-dedupe", *chosen]
    lines = subprocess.run(tree, check=True, capture_output=True, text=True).stdout.splitlines()
    used = {tuple(line.split()[:2]) for line in lines if line.strip()}
    metadata = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target, "--all-features"]
    packages = json.loads(subprocess.run(metadata, check=True, capture_output=True, text=True).stdout)["packages"]
    return [p for p in packages if (p["name"], "v" + p["version"]) in used]


def libraries(folder: Path) -> list[tuple[str, str, str, str]]:
    """The libraries in a folder: name, the number in the file's name, licence, home."""
    found = {}
    for file in sorted(folder.iterdir()):
        match = re.fullmatch(r"lib(.+)-[0-9a-f]{8}\.so\.(.+)", file.name)
        if not match or match[1] not in LIBRARIES:
            raise SystemExit(f"error: {file.name} is not in the table of scripts/licenses.py; add its name and licence")
        name, licence, source, _ = LIBRARIES[match[1]]
        found.setdefault(name, (name, match[2], licence, source))
    return list(found.values())


def licence_of_library(library: str) -> str:
    """The text of a library's licence, from Debian's package of the same library."""
    package = next(package for name, _, _, package in LIBRARIES.values() if name == library)
    found = sorted(Path("/usr/share/doc").glob(f"{package}/copyright"))
    if not found:
        raise SystemExit(f"error: no /usr/share/doc/{package}/copyright, which has the licence of {library}; apt-get install libgdal-dev")
    return found[0].read_text(errors="replace").strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", required=True, help="Rust's name of the target")
    parser.add_argument("--libraries", required=True, type=Path, help="the folder with GDAL and the libraries under it")
    parser.add_argument("--to", required=True, type=Path, help="the folder to write into")
    given = parser.parse_args()
    given.to.mkdir(parents=True, exist_ok=True)

    inside = libraries(given.libraries)
    used = sorted(crates(given.target), key=lambda p: (p["name"], p["version"]))
    without = [p["name"] for p in used if not (p["license"] or p["license_file"])]
    if without:
        raise SystemExit(f"error: no licence is known of the crates {', '.join(without)}")

    texts = defaultdict(list)
    for name, *_ in inside:
        texts[licence_of_library(name)].append(name)
    lines = ["What is inside, and under which licence.", "", "Libraries beside the program, in `lib`, with the number in the file's name:", ""]
    lines += [f"  {name} {version}: {licence} ({source})" for name, version, licence, source in inside]
    lines += ["", "Rust crates in the program:", ""]
    for package in used:
        name = f"{package['name']} {package['version']}"
        lines.append(f"  {name}: {package['license'] or package['license_file']}")
        for file in sorted(Path(package["manifest_path"]).parent.iterdir()):
            if file.is_file() and TEXTS.search(file.name):
                texts[file.read_text(errors="replace").strip()].append(name)
    for text, names in texts.items():
        lines += ["", "=" * 80, "The licence of " + ", ".join(names) + ":", "", text]
    (given.to / "LICENSES.txt").write_text("\n".join(lines) + "\n")

    def entry(kind: str, name: str, version: str, licence: str, source: str) -> dict:
        return {
            "SPDXID": "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", f"{kind}-{name}-{version}"),
            "name": name,
            "versionInfo": version,
            "licenseDeclared": licence,
            "licenseConcluded": "NOASSERTION",
            "copyrightText": "NOASSERTION",
            "downloadLocation": source,
            "filesAnalyzed": False,
        }

    packages = [entry("library", *library) for library in inside]
    for p in used:
        # Before 2018, crates wrote a slash for OR.
        licence = (p["license"] or "NOASSERTION").replace("/", " OR ")
        source = f"https://crates.io/crates/{p['name']}/{p['version']}" if p["source"] else p["repository"] or "NOASSERTION"
        packages.append(entry("crate", p["name"], p["version"], licence, source))
    version = next(p["version"] for p in used if p["name"] == "tilefn")
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"tilefn-{version}-{given.target}",
        "documentNamespace": f"https://github.com/tilefn/tilefn/spdx/{version}/{given.target}",
        # The same bytes for the same sources.
        "creationInfo": {"created": commit_time(), "creators": ["Tool: scripts/licenses.py"]},
        "packages": packages,
        "relationships": [
            {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": p["SPDXID"]} for p in packages
        ],
    }
    (given.to / "tilefn.spdx.json").write_text(json.dumps(document, indent=1) + "\n")


def commit_time() -> str:
    shown = ["git", "show", "--no-patch", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ", "HEAD"]
    return subprocess.run(shown, check=True, capture_output=True, text=True, env={"TZ": "UTC", "PATH": "/usr/local/bin:/usr/bin:/bin"}).stdout.strip()


if __name__ == "__main__":
    main()
