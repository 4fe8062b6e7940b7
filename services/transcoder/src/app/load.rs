//! What the worker and its ffmpegs use, read from `/proc`.
//!
//! Children that ended are within the worker's own record, those that run have one each. Where `/proc` does not list
//! children the figures are the worker's own, which is low and does no harm.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::metrics::FfmpegUsage;

/// Clock ticks in which `/proc` counts CPU time, `USER_HZ`: the same on every Linux that runs Rust.
const TICKS_PER_SECOND: f64 = 100.0;

/// Bytes that a file of a process has at most in practice, and in any case.
const USUAL: usize = 4 << 10;
const MOST: u64 = 64 << 10;

/// Turns CPU time into load between two looks.
#[derive(Debug, Default)]
pub(crate) struct Load {
    last: Option<(Instant, f64)>,
    smooth: f64,
}

/// What is used.
#[derive(Debug)]
pub(crate) struct Usage {
    /// Cores in use over the last seconds, by the worker and its ffmpegs.
    pub(crate) cores: f64,
    /// The ffmpegs alone.
    pub(crate) ffmpeg: FfmpegUsage,
}

impl Load {
    /// Usage as it is now.
    pub(crate) fn look(&mut self) -> Usage {
        let own = stat("/proc/self/stat").unwrap_or_default();
        let children: Vec<_> =
            children().iter().filter_map(|pid| Some((stat(&format!("/proc/{pid}/stat"))?, resident(pid)))).collect();
        let running: u64 = children.iter().map(|(times, _)| times[0] + times[1]).sum();
        let ffmpeg = seconds(own[2] + own[3] + running);
        Usage {
            cores: self.since(seconds(own[0] + own[1]) + ffmpeg, Instant::now()),
            ffmpeg: FfmpegUsage {
                processes: children.len(),
                cpu_seconds: ffmpeg,
                resident_bytes: children.iter().map(|(_, resident)| resident).sum(),
            },
        }
    }

    fn since(&mut self, used: f64, now: Instant) -> f64 {
        /// Weight of the latest second.
        const LATEST: f64 = 0.3;
        if let Some((then, before)) = self.last {
            let wall = now.duration_since(then).max(Duration::from_millis(1)).as_secs_f64();
            // A child that ends between two reads is missing in one of them.
            let cores = ((used - before) / wall).max(0.0);
            self.smooth += LATEST * (cores - self.smooth);
        }
        self.last = Some((now, used));
        self.smooth
    }
}

fn seconds(ticks: u64) -> f64 {
    ticks as f64 / TICKS_PER_SECOND
}

fn children() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| read(task.path().join("children")));
    lists.flat_map(|list| list.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// `VmRSS` of proc(5), in bytes.
fn resident(pid: &str) -> u64 {
    read(format!("/proc/{pid}/status")).and_then(|status| parse_resident(&status)).unwrap_or(0)
}

fn parse_resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// `utime`, `stime`, `cutime` and `cstime` of proc(5).
fn stat(path: &str) -> Option<[u64; 4]> {
    parse(&read(path)?)
}

/// Files of `/proc` claim to be empty, so `fs::read_to_string` feels its way with six reads, 32 bytes first. There are three
/// files for each ffmpeg.
fn read(path: impl AsRef<Path>) -> Option<String> {
    let mut text = String::with_capacity(USUAL);
    fs::File::open(path).ok()?.take(MOST).read_to_string(&mut text).ok()?;
    Some(text)
}

fn parse(stat: &str) -> Option<[u64; 4]> {
    // The second field is a name in parentheses that may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(11).map(|field| field.parse().unwrap_or(0));
    Some([times.next()?, times.next()?, times.next()?, times.next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_processes_do_not_confuse_the_fields() {
        let line = "42 (a) b (c)) S 1 42 42 0 -1 4194304 100 200 0 0 11 22 33 44 20 0 1 0 5 0 0";
        assert_eq!(parse(line), Some([11, 22, 33, 44]));
    }

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(parse_resident("Name:\tffmpeg\nVmPeak:\t 900 kB\nVmRSS:\t    12 kB\n"), Some(12_288));
        assert_eq!(parse_resident("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn load_is_cpu_time_over_wall_time() {
        let (mut load, mut now) = (Load::default(), Instant::now());
        load.since(100.0, now);
        let mut used = 100.0;
        let mut cores = 0.0;
        for _ in 0..30 {
            now += Duration::from_secs(2);
            used += 3.0;
            cores = load.since(used, now);
        }
        assert!((cores - 1.5).abs() < 0.01, "{cores}");
    }
}
