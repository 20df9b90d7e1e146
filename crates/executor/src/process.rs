//! Names this process as the holder of a lease, and tells whether another holder is gone.
//!
//! A lease of a process that was killed would keep the case locked until it expires. Where
//! the machine can be asked, nobody has to wait: boot, process namespace, number and start
//! time together name one process only, so that neither a reused number nor another
//! container or machine is taken for it. Where there is no `/proc`, leases just expire.

use std::fs;

/// This process, as the holder of a lease.
pub(crate) fn holder(by: &str) -> String {
    let id = std::process::id();
    match (machine(), started(id)) {
        (Some(machine), Some(started)) => {
            format!("{by} (process {id}, started {started}, on {machine})")
        }
        _ => format!("{by} (process {id})"),
    }
}

/// Whether this holder is surely gone: a process of this machine that runs no more.
pub(crate) fn is_gone(holder: &str) -> bool {
    let Some((id, start, on)) = parse(holder) else {
        return false;
    };
    machine().is_some_and(|machine| machine == on) && started(id) != Some(start)
}

fn parse(holder: &str) -> Option<(u32, u64, &str)> {
    let (_, inside) = holder.strip_suffix(')')?.rsplit_once(" (process ")?;
    let (id, rest) = inside.split_once(", started ")?;
    let (start, on) = rest.split_once(", on ")?;
    Some((id.parse().ok()?, start.parse().ok()?, on))
}

/// The running system and the namespace in which process numbers count.
fn machine() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    let inode: String = namespace
        .to_str()?
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    Some(format!("{}/{inode}", boot.trim()))
}

/// When a running process began, in the kernel's ticks since boot (proc_pid_stat(5), field
/// 22); `None` for one that has ended, waited for or not.
fn started(id: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::process::Command;

    fn named(id: u32, start: u64, on: &str) -> String {
        format!("ada@forge (process {id}, started {start}, on {on})")
    }

    #[test]
    fn a_running_process_is_not_gone() {
        assert!(!is_gone(&holder("ada@forge")));
        assert!(parse(&holder("a (process 1, started 2, on x)")).is_some());
    }

    #[test]
    fn a_killed_process_is_gone_and_so_is_one_whose_number_was_reused() {
        let on = machine().expect("Linux");
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep");
        let start = started(child.id()).expect("it runs");
        let name = named(child.id(), start, &on);
        assert!(!is_gone(&name));
        assert!(is_gone(&named(child.id(), start + 1, &on)));
        child.kill().expect("killed");
        child.wait().expect("waited");
        assert!(is_gone(&name));
    }

    #[test]
    fn nothing_is_said_of_other_machines_and_other_names() {
        let dead = u32::MAX;
        assert!(is_gone(&named(dead, 1, &machine().expect("Linux"))));
        assert!(!is_gone(&named(dead, 1, "another/4026531836")));
        assert!(!is_gone("ada@forge (process 4294967295)"));
        assert!(!is_gone(""));
    }
}
