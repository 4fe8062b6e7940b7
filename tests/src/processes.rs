//! Processes of this machine as /proc shows them: who descends from whom, and what each one uses.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// /proc counts CPU time in hundredths of a second, whatever the kernel's own tick is.
const MS_PER_TICK: u64 = 10;

/// A process that is not mistaken for a later one with the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Process id.
    pub id: u32,
    /// Name of the executable, at most 15 bytes of it.
    pub name: String,
    parent: u32,
    started: u64,
}

impl Identity {
    /// Whether it still runs; a zombie does not.
    pub fn alive(&self) -> bool {
        Stat::read(self.id).is_some_and(|now| now.running && now.started == self.started)
    }

    /// Sends a signal if it still runs.
    pub fn signal(&self, signal: Signal) {
        if self.alive() {
            // It may have ended since the look.
            let _ = kill(Pid::from_raw(self.id as i32), signal);
        }
    }

    /// Kills it if it still runs.
    pub fn kill(&self) {
        self.signal(Signal::SIGKILL);
    }
}

/// Everything that `id` started, and what that started, and so on.
pub fn descendants(id: u32) -> Vec<Identity> {
    let all: Vec<Identity> = every_id().filter_map(identity).collect();
    let mut found: Vec<Identity> = Vec::new();
    let mut parents = vec![id];
    while let Some(parent) = parents.pop() {
        for process in all.iter().filter(|process| process.parent == parent) {
            parents.push(process.id);
            found.push(process.clone());
        }
    }
    found
}

/// Number of dead children that `id` has not taken notice of.
pub fn zombies(id: u32) -> usize {
    every_id().filter_map(Stat::read).filter(|stat| stat.parent == id && !stat.running).count()
}

/// The running ffmpegs below `id`.
pub fn ffmpegs(id: u32) -> Vec<Identity> {
    descendants(id).into_iter().filter(|process| process.name == "ffmpeg").collect()
}

/// What everyone on the machine can read of a process: its arguments, separated by blanks.
pub fn command_line(id: u32) -> Option<String> {
    let bytes = fs::read(file(id, "cmdline")).ok()?;
    Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
}

/// User and system time of the process itself since it began.
pub fn cpu_time(id: u32) -> Option<Duration> {
    Some(Duration::from_millis(Stat::read(id)?.cpu_ticks * MS_PER_TICK))
}

/// Resident memory in KiB.
pub fn resident_kib(id: u32) -> Option<u64> {
    let status = fs::read_to_string(file(id, "status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Number of open file descriptors.
pub fn open_files(id: u32) -> Option<usize> {
    Some(fs::read_dir(file(id, "fd")).ok()?.count())
}

/// Number of threads.
pub fn threads(id: u32) -> Option<usize> {
    Some(fs::read_dir(file(id, "task")).ok()?.count())
}

fn identity(id: u32) -> Option<Identity> {
    let stat = Stat::read(id)?;
    stat.running.then_some(Identity { id, name: stat.name, parent: stat.parent, started: stat.started })
}

fn every_id() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn file(id: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{id}/{name}"))
}

/// The fields of /proc/ID/stat that are of interest.
struct Stat {
    name: String,
    running: bool,
    parent: u32,
    cpu_ticks: u64,
    started: u64,
}

impl Stat {
    fn read(id: u32) -> Option<Self> {
        let text = fs::read_to_string(file(id, "stat")).ok()?;
        // The name stands in parentheses and may hold any character, so the fields count from the last one.
        let (head, tail) = text.rsplit_once(')')?;
        let name = head.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = tail.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self {
            name,
            running: !matches!(*fields.first()?, "Z" | "X"),
            parent: number(1)? as u32,
            cpu_ticks: number(11)? + number(12)?,
            started: number(19)?,
        })
    }
}
