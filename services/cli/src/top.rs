//! `top`: the gatekeeper's view of workers and streams, once or each second.

mod fetch;
mod screen;
mod status;
mod table;

use std::io::IsTerminal as _;
use std::time::Duration;

use serde::Deserialize as _;

use crate::args::Top;
use crate::exit::Failure;
use crate::output;
use fetch::Fetch;
use status::Status;

/// How often the screen shows something new.
const EACH: Duration = Duration::from_secs(1);
/// Width of the tables where there is no terminal.
const WIDTH: u16 = 120;

/// Shows it.
pub(crate) async fn run(args: Top) -> Result<(), Failure> {
    let fetch = Fetch::new(&args.gatekeeper)?;
    if args.json {
        return output::print_json(&fetch.object().await?);
    }
    if args.once || !std::io::stdout().is_terminal() {
        let width = crossterm::terminal::size().map_or(WIDTH, |(width, _)| width.max(40));
        let status = read(&fetch).await?;
        return output::print(format!("{}\n", table::text(&status, width)).as_bytes());
    }
    screen::run(&fetch).await
}

async fn read(fetch: &Fetch) -> Result<Status, Failure> {
    let object = fetch.object().await?;
    Status::deserialize(&object).map_err(|error| fetch.failure(&format!("its answer is not understood: {error}")))
}
