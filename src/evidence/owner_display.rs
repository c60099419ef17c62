//! What people want to know of an owner: CPU, memory, run time. From sysinfo, for display only: its start
//! times are whole seconds and it does not see other users' processes under hidepid, so it never judges.

use std::time::Duration;

use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

/// One line about a process; `None` if sysinfo does not see it.
pub fn read(pid: u32) -> Option<String> {
    let mut system = System::new().ok()?;
    let wanted = [Pid::from_u32(pid)];
    let kind = ProcessRefreshKind::nothing().without_tasks().with_cpu().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&wanted), true, kind);
    // CPU use is a rate: it takes two readings.
    std::thread::sleep(sysinfo::MINIMUM_CPU_UPDATE_INTERVAL);
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&wanted), true, kind);
    let process = system.process(wanted[0])?;
    Some(format!(
        "{:.0} % CPU, {} MiB, {}, up {}",
        process.cpu_usage(),
        process.memory() / (1024 * 1024),
        process.status().to_string().to_lowercase(),
        humantime::format_duration(Duration::from_secs(process.run_time())),
    ))
}
