//! Do pids mean the same here as where the locks are written? Containers number their processes anew.

use std::path::Path;

use super::{Finding, Surroundings};
use crate::evidence::StartTicks;
use crate::evidence::process::has_pidfds;
use crate::install::gateway::GatewayState;

pub(super) fn shared(around: &mut Surroundings) -> Vec<Finding> {
    let namespaces = &around.view.namespaces;
    let visible = around.installs().any(|(_, install)| install.gateway.is_visible());
    let elsewhere = around
        .installs()
        .any(|(_, install)| install.gateway.state == GatewayState::Running && !install.gateway.is_visible());
    let share = "share the gateway's PID namespace";
    let how = || {
        [
            "docker run --pid=container:GATEWAY …".to_owned(),
            "pid: \"service:openclaw-gateway\"      # compose file".to_owned(),
            "shareProcessNamespace: true           # Kubernetes, in the pod's spec".to_owned(),
        ]
    };
    let finding = if elsewhere {
        Finding::warning(
            "the gateway runs in another PID namespace: pids in its locks count there, and only what the \
             kernel itself can prove is judged",
        )
        .with_remedy(&format!("run lockdoctor beside it: {share}"), how())
    } else if visible {
        Finding::good("shared with the gateway")
    } else if namespaces.in_initial_pid_namespace {
        Finding::good("the machine's own; no gateway was seen in another one")
    } else if around
        .places
        .iter()
        .all(|place| place.home().is_some_and(|home| namespaces.is_this_machines(home)))
    {
        Finding::good(
            "this container's or guest's own, and the state directory is no volume: a number counts here",
        )
    } else {
        Finding::warning(
            "lockdoctor runs in a PID namespace of its own and sees no gateway in it: the pids in its locks \
             mean nothing here",
        )
        .with_remedy(share, how())
    };
    let mut findings = vec![finding];
    if !has_pidfds() {
        let text = "the kernel offers no pidfds here (Linux before 5.3, or a filter)";
        findings.push(if namespaces.proc_is_complete {
            Finding::note(format!("{text}: /proc tells whether a process is gone"))
        } else {
            Finding::warning(format!("{text}, and /proc hides processes: a death cannot be proven"))
                .with_remedy("let lockdoctor see every process (see hidepid)", [])
        });
    }
    if namespaces.start_ticks == StartTicks::Shifted {
        findings.push(Finding::note(
            "a time namespace of its own: start times in locks cannot be compared with those of processes",
        ));
    }
    findings
}

pub(super) fn proc_complete(around: &mut Surroundings) -> Vec<Finding> {
    let shown = std::fs::read_link("/proc/self").ok();
    let ours = std::process::id().to_string();
    let finding = match shown {
        None => Finding::failure("/proc is not mounted")
            .with_remedy("mount it", ["mount -t proc proc /proc".to_owned()]),
        Some(pid) if pid != Path::new(&ours) => {
            Finding::failure("/proc shows another PID namespace than the one lockdoctor runs in")
                .with_remedy("mount its own", ["unshare --pid --fork --mount-proc …".to_owned()])
        }
        Some(_) if !around.view.namespaces.proc_is_complete => Finding::warning(
            "/proc hides other users' processes (hidepid): who owns a lock cannot always be seen",
        )
        .with_remedy(
            "run lockdoctor as the gateway's user, or let its group see every process",
            ["sudo mount -o remount,hidepid=2,gid=GROUP /proc".to_owned()],
        ),
        Some(_) => Finding::good("every process is shown"),
    };
    vec![finding]
}

pub(super) fn container(around: &mut Surroundings) -> Vec<Finding> {
    vec![match container_marker() {
        Some((engine, marker)) if around.view.namespaces.in_initial_pid_namespace => Finding::note(format!(
            "in a container of {engine} ({marker}), with the machine's own PID namespace"
        )),
        Some((engine, marker)) => Finding::note(format!("in a container of {engine} ({marker})")),
        None => Finding::good("not in a container"),
    }]
}

/// Which container engine runs us, and what shows it.
pub fn container_marker() -> Option<(String, String)> {
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Some(("Kubernetes".to_owned(), "KUBERNETES_SERVICE_HOST is set".to_owned()));
    }
    let files = [
        ("/.dockerenv", "Docker"),
        ("/run/.containerenv", "Podman"),
        ("/run/systemd/container", "systemd-nspawn or another manager"),
        ("/var/run/secrets/kubernetes.io", "Kubernetes"),
    ];
    if let Some((marker, engine)) = files.into_iter().find(|(marker, _)| Path::new(marker).exists()) {
        return Some((engine.to_owned(), format!("{marker} is there")));
    }
    if let Some(engine) = std::env::var("container").ok().filter(|engine| !engine.is_empty()) {
        return Some((engine, "the variable `container` is set".to_owned()));
    }
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let known = [("kubepods", "Kubernetes"), ("docker", "Docker"), ("libpod", "Podman"), ("/lxc", "LXC")];
    known
        .into_iter()
        .find(|(word, _)| groups.contains(word))
        .map(|(word, engine)| (engine.to_owned(), format!("its control group is named {word}")))
}
