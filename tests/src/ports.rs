//! Free ports for parts that must come back at the same address.
//!
//! They lie below the range from which the kernel takes the ports of outgoing connections. A port of that range, once its
//! listener stops, may become a client's, and the restart then fails for no reason of its own.

use std::net::TcpListener;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

const FIRST: u32 = 16_000;
const COUNT: u32 = 16_000;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A port that nobody listens at, and that this process did not hand out before.
pub fn free() -> u16 {
    loop {
        // Test processes that run side by side begin at different places.
        let turn = NEXT.fetch_add(1, Ordering::Relaxed) + process::id().wrapping_mul(61);
        let port = (FIRST + turn % COUNT) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
