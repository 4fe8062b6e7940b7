use super::super::{Learned, Sandbox};
use super::*;
use std::fs;
use std::path::PathBuf;

fn settings(program: &str) -> Settings {
    let path = std::env::var_os("PATH").unwrap();
    let program: PathBuf =
        std::env::split_paths(&path).map(|dir| dir.join(program)).find(|path| path.exists()).unwrap();
    Settings {
        program,
        source_timeout: Duration::from_secs(5),
        stall_timeout: Duration::from_secs(10),
        sandbox: Sandbox::new(),
        learned: Learned::default(),
        direct: false,
    }
}

fn invocation(args: &[&str], audio: bool) -> Invocation {
    Invocation { args: args.iter().map(|arg| (*arg).to_owned()).collect(), script: None, audio }
}

async fn run(program: &str, args: &[&str], audio: bool) -> Process {
    start(&settings(program), &invocation(args, audio), Scrubber::default()).unwrap().await.unwrap()
}

async fn shell(script: &str) -> Process {
    run("sh", &["-c", script], true).await
}

/// Everything up to the end.
async fn all(process: &mut Process) -> (Vec<Item>, Vec<String>, ExitStatus) {
    let (mut items, mut messages) = (Vec::new(), Vec::new());
    loop {
        match process.next().await {
            Event::Item(item, _) => items.push(item),
            Event::Message(message) => messages.push(message),
            Event::Exited(status) => return (items, messages, status),
            Event::Ended(_) | Event::Broken(_) => {}
        }
    }
}

async fn message(process: &mut Process) -> String {
    loop {
        match process.next().await {
            Event::Message(message) => return message,
            Event::Exited(status) => panic!("exited without a message: {status}"),
            _ => {}
        }
    }
}

/// Waits until a child of ours has ended, without taking its status away from whoever waits for it.
async fn ended(pid: i32) {
    let waited = tokio::task::spawn_blocking(move || {
        waitid(Id::Pid(Pid::from_raw(pid)), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT)
    });
    match waited.await.unwrap() {
        Ok(_) | Err(nix::Error::ECHILD) => {}
        Err(error) => panic!("{error}"),
    }
}

/// Whether a process that is no child of ours runs. One that nobody has reaped yet does not.
fn runs(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with('Z'))
}

#[tokio::test]
async fn a_run_gives_what_ffmpeg_writes_to_both_pipes() {
    let args = "-nostdin -loglevel error -f lavfi -i testsrc=size=64x64:rate=10:duration=1 -f lavfi -i sine=duration=1 \
                -map 0:v:0 -c:v libx264 -f flv pipe:1 -map 1:a:0 -c:a aac -f flv pipe:3";
    let args: Vec<_> = args.split_ascii_whitespace().collect();
    let (items, messages, status) = all(&mut run("ffmpeg", &args, true).await).await;
    assert!(status.success(), "{status}: {messages:?}");
    let count = |of: fn(&Item) -> bool| items.iter().filter(|item| of(item)).count();
    assert_eq!(count(|item| matches!(item, Item::Video(_))), 10);
    assert!(count(|item| matches!(item, Item::Audio(_))) > 40);
    assert_eq!(count(|item| matches!(item, Item::AvcConfig(_))), 1);
    assert_eq!(count(|item| matches!(item, Item::AacConfig(_))), 1);
}

#[tokio::test]
async fn a_transcode_tells_when_pictures_go_in_and_nobody_hears_it() {
    let args = "-nostdin -loglevel error -f lavfi -i testsrc=size=64x64:rate=25:duration=1 -c:v libx264 \
                -tune zerolatency -f flv -vf";
    let args: Vec<_> = args.split_ascii_whitespace().chain([reception::MARK, "pipe:1"]).collect();
    let mut process = run("ffmpeg", &args, false).await;
    let (items, messages, _) = all(&mut process).await;
    assert_eq!(messages, [""; 0]);
    assert_eq!(items.iter().filter(|item| matches!(item, Item::Video(_))).count(), 25);
    // One more at the end of the input.
    assert_eq!(process.reception.last_mark(), Some(1000));
}

#[tokio::test]
async fn ffmpeg_cannot_write_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let (new, old) = (dir.path().join("new.flv"), dir.path().join("old.flv"));
    fs::write(&old, "untouched").unwrap();
    for file in [&new, &old] {
        let args = ["-nostdin", "-y", "-f", "lavfi", "-i", "testsrc=duration=1", file.to_str().unwrap()];
        let (_, messages, status) = all(&mut run("ffmpeg", &args, false).await).await;
        assert!(!status.success(), "{messages:?}");
    }
    // Where the kernel has no Landlock, a file can come to be, but nothing can come into it.
    assert_eq!(fs::read(&new).unwrap_or_default(), b"");
    if Sandbox::new().has_landlock() {
        assert!(!new.exists());
        assert_eq!(fs::read_to_string(&old).unwrap(), "untouched");
    }
}

#[tokio::test]
async fn whoever_ignores_sigterm_is_killed_and_its_children_too() {
    let mut process = shell("trap '' TERM; sleep 600 & echo $! >&2; while :; do wait; done").await;
    let child = message(&mut process).await.parse().unwrap();
    assert!(runs(child));
    process.stop();
    let (_, _, status) = all(&mut process).await;
    assert_eq!(status.signal(), Some(Signal::SIGKILL as i32));
    // Its group got the same signal; each process dies when it runs next.
    let gone = async {
        while runs(child) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("its child is gone");
}

#[tokio::test]
async fn a_run_that_is_dropped_ends() {
    let process = shell("exec sleep 600").await;
    let pid = process.id().unwrap();
    drop(process);
    ended(pid).await;
}

#[tokio::test]
async fn a_run_has_its_pipes_and_nothing_else() {
    // Unlike all that Rust opens, this one would be inherited.
    let leaked = nix::unistd::dup(fs::File::open("/dev/null").unwrap()).unwrap();
    let mut process = shell("for fd in $(seq 0 63); do [ -e /proc/$$/fd/$fd ] && echo $fd >&2; done").await;
    let (_, descriptors, _) = all(&mut process).await;
    drop(leaked);
    assert_eq!(descriptors, ["0", "1", "2", "3"]);
}

#[tokio::test]
async fn a_run_is_confined() {
    let script = "ulimit -c; ulimit -f; ulimit -n; grep -E '^(NoNewPrivs|CapEff)' /proc/self/status; \
                  ps -o pgid= -p $$ | tr -d ' '; echo $$; env | grep -vE '^(PWD|OLDPWD|_|SHLVL)=' | sort";
    let (_, messages, _) = all(&mut shell(&format!("{{ {script}; }} >&2")).await).await;
    let [core, file, files, capabilities, privileges, group, pid, environment @ ..] = messages.as_slice() else {
        panic!("{messages:?}");
    };
    assert_eq!([core.as_str(), file, files], ["0", "0", "64"]);
    assert_eq!(privileges, "NoNewPrivs:\t1");
    assert_eq!(capabilities, "CapEff:\t0000000000000000");
    assert_eq!(group, pid);
    assert_eq!(environment, ["AV_LOG_FORCE_NOCOLOR=1", "LC_ALL=C"]);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error() {
    let settings = Settings { program: "/nonexistent/ffmpeg".into(), ..settings("sh") };
    let starting = start(&settings, &invocation(&[], true), Scrubber::default()).unwrap();
    assert_eq!(starting.await.unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[tokio::test]
async fn what_is_no_flv_is_said_so() {
    let mut process = shell("echo this is no video; exec sleep 600").await;
    assert!(matches!(process.next().await, Event::Broken(FlvError::NotFlv)));
}

#[tokio::test]
async fn messages_are_cut_where_no_login_can_be_halved() {
    let long = format!("{} rtsp://user:{}@host/", "x".repeat(MAX_LINE - 30), "secret".repeat(30));
    let mut process = shell(&format!("echo '{long}' >&2; echo after >&2")).await;
    let (_, messages, _) = all(&mut process).await;
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(!messages[0].contains("secret"), "{messages:?}");
    assert_eq!(messages[1], "after");
}
