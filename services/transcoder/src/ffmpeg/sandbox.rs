//! Takes from ffmpeg what it does not need: it parses foreign bytes, so it is treated as if it were foreign itself.
//!
//! In force for each run: it dies with the thread that started it, has and gains no privileges, cannot dump core, write or create a
//! file, signal or listen beyond itself, and holds no descriptors but its pipes. Landlock is best effort, as older kernels
//! lack it; the limit on file size holds everywhere. It may read files and connect: it has to.
//!
//! The ruleset is made once, before any fork: between fork and exec only system calls are safe.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use landlock::{ABI, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, Scope};
use tracing::{info, warn};

/// Descriptor on which audio comes out; video is standard output.
const AUDIO_FD: RawFd = 3;
/// Descriptors that ffmpeg may have open: pipes, sockets of a source, and a few for the resolver.
const MAX_FILES: libc::rlim_t = 64;

/// What every run of ffmpeg is confined by.
#[derive(Debug)]
pub(crate) struct Sandbox {
    /// `None` where the kernel has no Landlock.
    ruleset: Option<OwnedFd>,
}

impl Sandbox {
    /// As strict as the kernel allows.
    pub(crate) fn new() -> Self {
        let ruleset = match ruleset() {
            Ok(ruleset) => ruleset,
            Err(error) => {
                warn!(%error, "no Landlock ruleset");
                None
            }
        };
        info!(landlock = ruleset.is_some(), "sandbox for ffmpeg");
        Self { ruleset }
    }

    /// Whether the kernel has it.
    #[cfg(test)]
    pub(crate) fn has_landlock(&self) -> bool {
        self.ruleset.is_some()
    }

    /// Confines the process that `command` will start. `audio` is the end of the pipe that becomes descriptor 3; it has to
    /// stay open until the process is there. Call it from the thread whose end is to be the end of the process.
    pub(crate) fn confine(&self, command: &mut Command, audio: Option<RawFd>) {
        let parent = std::process::id();
        let ruleset = self.ruleset.as_ref().map(AsRawFd::as_raw_fd);
        command.env_clear().env("LC_ALL", "C").env("AV_LOG_FORCE_NOCOLOR", "1").process_group(0);
        // SAFETY: the closure runs between fork and exec and makes system calls only; it allocates nothing, takes no lock
        // and captures plain numbers. The descriptors that it names are open in the parent at that time.
        #[allow(unsafe_code, reason = "there is no other way to act between fork and exec")]
        unsafe {
            command.pre_exec(move || enter(parent, ruleset, audio));
        }
    }
}

/// Handles every way to write, to listen and to signal, and allows none. `None` where the kernel has no Landlock.
fn ruleset() -> Result<Option<OwnedFd>, landlock::RulesetError> {
    let created = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_write(ABI::V5))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::Signal)?
        .create()?;
    Ok(created.into())
}

/// Runs in the child. Fails closed, save for what older kernels lack.
#[allow(unsafe_code, reason = "raw system calls, as nothing else may run between fork and exec")]
fn enter(parent: u32, ruleset: Option<RawFd>, audio: Option<RawFd>) -> std::io::Result<()> {
    let checked = |result: libc::c_int| match result {
        -1 => Err(std::io::Error::last_os_error()),
        _ => Ok(()),
    };
    let limit = |resource, value: libc::rlim_t| {
        let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
        // SAFETY: the pointer is to a live value of the type that the call reads.
        checked(unsafe { libc::setrlimit(resource, &raw const limit) })
    };
    // SAFETY: none of these calls touches memory of ours.
    unsafe {
        checked(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
        // It may have died before that.
        if libc::getppid() as u32 != parent {
            return Err(std::io::Error::from_raw_os_error(libc::ESRCH));
        }
        if let Some(audio) = audio {
            if audio == AUDIO_FD {
                checked(libc::fcntl(AUDIO_FD, libc::F_SETFD, 0))?;
            } else {
                checked(libc::dup2(audio, AUDIO_FD))?;
            }
        }
        // Everything else closes at exec by itself; this covers what a library may have opened without saying so.
        let first = if audio.is_some() { AUDIO_FD + 1 } else { AUDIO_FD };
        libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
        // A container's root is to hand nothing on. Who is not root may not do this, and has nothing to hand on.
        for capability in 0..64 {
            libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0);
        }
        checked(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        if let Some(ruleset) = ruleset {
            checked(libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0) as libc::c_int)?;
        }
    }
    limit(libc::RLIMIT_CORE, 0)?;
    limit(libc::RLIMIT_FSIZE, 0)?;
    limit(libc::RLIMIT_NOFILE, MAX_FILES)
}
