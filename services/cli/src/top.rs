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

/// Shows it.
pub(crate) async fn run(args: Top) -> Result<(), Failure> {
    let fetch = Fetch::new(&args.gatekeeper)?;
    if args.json {
        return output::print_json(&fetch.object().await?);
    }
    if args.once || !std::io::stdout().is_terminal() {
        return output::print(format!("{}\n", table::text(&read(&fetch).await?)).as_bytes());
    }
    screen::run(&fetch).await
}

async fn read(fetch: &Fetch) -> Result<Status, Failure> {
    let object = fetch.object().await?;
    Status::deserialize(&object).map_err(|error| fetch.failure(&format!("its answer is not understood: {error}")))
}
