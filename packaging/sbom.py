#!/usr/bin/env python3
"""Prints the bill of materials of the binary, in CycloneDX 1.5: the crates that are linked in, with their licences and
the checksums of Cargo.lock. Needs cargo, and nothing that has to be installed for it."""

import json
import pathlib
import subprocess
import sys
import tomllib

root = pathlib.Path(__file__).resolve().parent.parent
target = sys.argv[1] if len(sys.argv) > 1 else "x86_64-unknown-linux-gnu"
tree = ["cargo", "tree", "--locked", "--edges=normal", "--prefix=none", "--no-dedupe", f"--target={target}"]
lines = subprocess.check_output([*tree, "--format={p}|{l}"], cwd=root, text=True).splitlines()
locked = tomllib.loads((root / "Cargo.lock").read_text())["package"]
checksums = {(each["name"], each["version"]): each.get("checksum") for each in locked}


def component(line):
    package, licence = line.split("|")
    name, version = package.split(" ")[0], package.split(" ")[1].removeprefix("v")
    found = {
        "type": "library",
        "bom-ref": f"pkg:cargo/{name}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:cargo/{name}@{version}",
        "licenses": [{"expression": licence.replace("/", " OR ")}] if licence else [],
    }
    if checksum := checksums.get((name, version)):
        found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    return found


own, *others = [component(line) for line in dict.fromkeys(lines)]
own |= {"type": "application"}
json.dump(
    {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": own, "properties": [{"name": "target", "value": target}]},
        "components": sorted(others, key=lambda each: each["bom-ref"]),
    },
    sys.stdout,
    indent=2,
)
print()
