//! A whole world for tests that are not written in Rust: broker, cameras, gatekeeper and transcoders, run by one process
//! that speaks JSON lines. The browser tests drive it.
//!
//! # Start
//!
//! `world DESCRIPTION`, or `world` with the description as the first line of stdin. Every field may be left out:
//!
//! ```json
//! {
//!   "cameras": [{"name": "lobby", "kind": "aac", "size": "640x360", "fps": 30, "bitrate": 1000, "gop": 1, "loss": 50,
//!                "credentials": "user:password", "auth": "digest", "profiles": ["source"], "max_viewers": 5,
//!                "running": true}],
//!   "sources": "sources:\n  - {name: lobby, url: '{lobby}'}\n",
//!   "transcoders": [["--linger", "1s"], []],
//!   "gatekeeper": ["--log-level", "debug"],
//!   "mosquitto": "max_queued_messages 100\n"
//! }
//! ```
//!
//! * `cameras`: one process each, `deploy/local/camera.py`; see its `KINDS`. Each is a source of the same name, with the
//!   credentials in files. `running: false` reserves its address and starts it later (`start`).
//! * `sources`: the gatekeeper's sources file, in place of the one made of the cameras; `{NAME}` is a camera's URL.
//!   `profiles:` is added to the file that is made of the cameras only if it is needed there (it is not: `legacy` ships).
//! * `transcoders`: further arguments of each; default two without any.
//!
//! # Answer
//!
//! One line, once every part is ready:
//!
//! ```json
//! {"page": "http://127.0.0.1:1", "ws": "ws://127.0.0.1:2", "ws_direct": "ws://127.0.0.1:3", "mqtt": "mqtt://127.0.0.1:4",
//!  "rtsp": {"lobby": "rtsp://127.0.0.1:5/lobby"}, "metrics": {"gatekeeper": "http://…/metrics", "transcoder0": "…"},
//!  "pids": {"mosquitto": 10, "gatekeeper": 11, "transcoder0": 12, "transcoder1": 13, "camera:lobby": 14}, "dir": "/tmp/…"}
//! ```
//!
//! `ws` leads to the broker through a wire that can be cut, and is what the page is told to dial. On failure the line is
//! `{"error": "…"}`, the logs are on stderr, and the exit status is 1.
//!
//! # Commands
//!
//! One JSON object a line on stdin, one a line in answer: `{"ok": true, …}` or `{"ok": false, "error": "…"}`. `what` is
//! `mosquitto`, `gatekeeper`, `transcoder0`…, `camera:NAME`, and for signals also `ffmpeg` (all of them) or
//! `ffmpeg:transcoder0`.
//!
//! | command | effect |
//! |---|---|
//! | `{"do":"kill","what":…}` | SIGKILL; answers once it is gone, with `"killed"`, the number of processes |
//! | `{"do":"stop","what":…}` | SIGTERM; answers once it is gone |
//! | `{"do":"pause","what":…}`, `{"do":"resume","what":…}` | SIGSTOP, SIGCONT |
//! | `{"do":"start","what":…}` | starts what is not running, at the same address as ever |
//! | `{"do":"restart","what":…}` | `stop` and `start`; a camera takes new `kind`, `size`, `fps`, `bitrate`, `gop`, `loss` from the command (as `start` does) |
//! | `{"do":"cut"}` | resets every connection through `ws`; new ones are accepted |
//! | `{"do":"freeze"}`, `{"do":"thaw"}` | holds all traffic of `ws` back, lets it go again |
//! | `{"do":"sources","yaml":…}` | replaces the sources file; `{NAME}` as above |
//! | `{"do":"stat"}` | see below |
//! | `{"do":"metrics","what":…}` | `"text"`, the Prometheus page of a service |
//! | `{"do":"logs","what":…}` | `"lines"`, what it printed so far |
//!
//! `stat` answers `{"ok":true, "ffmpeg":{"transcoder0":1,"transcoder1":0}, "clients":{"lobby":1}, "ffmpeg_pids":[20],
//! "running":{"gatekeeper":true,…}, "cpu_s":{"transcoder0":0.31,"gatekeeper":…,"ffmpeg":{"20":0.52}}, "rss_kib":{…}}`.
//! `clients` counts RTSP connections, `cpu_s` user and system time of the process itself since it began.
//!
//! # End
//!
//! End of stdin, SIGTERM or SIGINT: everything is stopped, nothing is left. After SIGKILL the kernel ends the children.

fn main() {}
