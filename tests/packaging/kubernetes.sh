#!/bin/sh
# The Kubernetes manifests: built by kustomize, held against the real schemas, and the pod run by `podman play kube`: one
# gateway process in it is killed, and its session is rescued.
. "$(dirname "$0")/lib.sh"
needs kubectl python3
manifests=$project/packaging/kubernetes

play() { (cd "$project" && sh -ex "$1"); }
follow install-kubernetes look
for overlay in official before-1.29; do
    kubectl kustomize "$manifests/overlays/$overlay" >"$work/$overlay.yaml" 2>"$work/log" || { cat "$work/log"; fail "kustomize: $overlay"; }
done
passed "kustomize builds the overlays"

# The schemas come with a Python package.
python=$cache/kubernetes-validate/bin/python3
if ! [ -x "$python" ]; then
    { python3 -m venv "$cache/kubernetes-validate" &&
        "${python%/*}/pip" install --quiet kubernetes-validate==1.37.0; } >"$work/log" 2>&1 || {
        rm -rf "$cache/kubernetes-validate"
        skip "the schemas cannot be had: $(tail -n 1 "$work/log")"
    }
fi
validate() { "${python%/*}/kubernetes-validate" --strict --no-warn -k "$@" >"$work/log" 2>&1; }
for version in 1.29 1.33 1.37; do
    validate $version "$work/official.yaml" || { cat "$work/log"; fail "official, Kubernetes $version"; }
done
for version in 1.25 1.28; do
    validate $version "$work/before-1.29.yaml" || { cat "$work/log"; fail "before-1.29, Kubernetes $version"; }
done
sed 's/shareProcessNamespace/shareProcesNamespace/' "$work/official.yaml" >"$work/typo.yaml"
validate 1.33 "$work/typo.yaml" && fail "a typo passes: the schemas look at nothing"
# What goes into an operator's or a chart's own format is a container of a pod all the same.
"$python" - "$manifests" >"$work/others.yaml" <<'PYTHON' || fail "the operator's or a chart's file"
import sys, yaml
load = lambda path: yaml.safe_load(open(f"{sys.argv[1]}/{path}"))
containers = [
    *load("operator/openclawinstance.yaml")["spec"]["sidecars"],
    *load("helm/thepagent-values.yaml")["extraContainers"],
]
pods = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pod-{i}"}, "spec": {"containers": [each]}}
        for i, each in enumerate(containers)]
chart = load("helm/serhanekicii-values.yaml")["app-template"]
assert chart["defaultPodOptions"]["shareProcessNamespace"] is True
assert chart["controllers"]["main"]["initContainers"]["lockdoctor"]["restartPolicy"] == "Always"
print(yaml.safe_dump_all(pods))
PYTHON
validate 1.33 "$work/others.yaml" || { cat "$work/log"; fail "the operator's or a chart's containers"; }
passed "valid for Kubernetes 1.25 to 1.37, a typo is not"

# For real. podman knows no native sidecars: the pod is the one for clusters before 1.29.
needs_root
needs podman runc catatonit
find_binary
fresh_debian "$work/debian"
checkout
podman_here "$work/podman"
podman import "$archive" openclaw:test >/dev/null 2>&1 || skip "podman import does not work here"
ENGINE=podman "$work/checkout/packaging/container/build.sh" "$binary" "$work/image.tar" >"$work/log" 2>&1 || { cat "$work/log"; fail "the image"; }
gateway_files "$work/debian"
mkdir -p "$work/state/agents/main/sessions" "$work/empty"
echo '{ "meta": { "lastTouchedVersion": "2026.3.13" } }' >"$work/state/openclaw.json"
chown -R 1000:1000 "$work/state"
chmod 700 "$work/state"
"$python" - "$work" <<'PYTHON'
import sys, yaml
work = sys.argv[1]
[deployment] = [each for each in yaml.safe_load_all(open(f"{work}/before-1.29.yaml")) if each["kind"] == "Deployment"]
pod = deployment["spec"]["template"]["spec"]
for volume in pod["volumes"]:
    if volume["name"] == "openclaw-home":
        volume.pop("persistentVolumeClaim")
        volume["hostPath"] = {"path": f"{work}/state"}
pod["volumes"].append({"name": "gateway", "hostPath": {"path": f"{work}/gateway"}})
for container in pod["containers"]:
    container["imagePullPolicy"] = "Never"
    # An image's name is in lower case; packaging/owner.sh sees to it.
    container["image"] = container["image"].replace("OWNER", "owner")
    container.pop("ports")  # podman would publish them, and there is no network
    if container["name"] == "gateway":
        container |= {"image": "openclaw:test", "command": ["/bin/sh", "/gateway/supervisor"]}
        container["env"] = [{"name": "OPENCLAW_STATE_DIR", "value": "/home/node/.openclaw"},
                            {"name": "PATH", "value": "/usr/bin:/bin"}]
        container["volumeMounts"].append({"name": "gateway", "mountPath": "/gateway"})
yaml.safe_dump(deployment, open(f"{work}/pod.yaml", "w"))
PYTHON
# From a directory without an entry named like an image: podman would build it.
(cd "$work/empty" && podman play kube --network none "$work/pod.yaml") >"$work/log" 2>&1 || { cat "$work/log"; fail "podman play kube"; }
sessions=$work/state/agents/main/sessions
container() { podman ps --format '{{.Names}}' | grep -e "-$1\$"; }
held() { grep -q pid "$sessions/live.jsonl.lock" && grep -q pid "$sessions/dead.jsonl.lock"; }
eventually 30 held || { podman logs "$(container gateway)" >&2; fail "no gateway holds its lock"; }
eventually 30 container lockdoctor || fail "lockdoctor does not run"
live=$(stat -c %i "$sessions/live.jsonl.lock")
sidecar=$(podman inspect --format '{{.State.Pid}}' "$(container lockdoctor)")
for page in readyz healthz metrics; do
    eventually 20 nsenter -t "$sidecar" -n python3 -c "import urllib.request as r; r.urlopen('http://127.0.0.1:9418/$page')" ||
        { podman logs "$(container lockdoctor)" >&2; fail "/$page does not answer"; }
done
passed "podman play kube runs the pod; the probes' pages answer"
podman exec "$(container lockdoctor)" /lockdoctor doctor pid-namespace | grep -q 'shared with the gateway' || fail "the PID namespace is not shared"
podman exec "$(container gateway)" kill -9 "$(sed -n 's/.*"pid": \([0-9]*\).*/\1/p' "$sessions/dead.jsonl.lock")"
eventually 30 is_tombstone "$sessions/dead.jsonl.lock" || { podman logs "$(container lockdoctor)" >&2; fail "nothing was freed"; }
same_inode "$sessions/live.jsonl.lock" "$live" || fail "a live lock was touched"
passed "in the pod a killed gateway's session is rescued; the live lock stays"
(cd "$work/empty" && podman play kube --down "$work/pod.yaml") >/dev/null 2>&1 || true
