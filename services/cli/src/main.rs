//! Looks at, records and loads a running mqtt-video: a viewer like any other, for operators.

mod args;
mod connection;
mod describe;
mod exit;
mod figures;
mod load;
mod manual;
mod media;
mod output;
mod percentiles;
mod play;
mod top;
mod viewer;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = <args::Cli as clap::Parser>::parse();
    let json = cli.json();
    exit::code_of(args::run(cli), json)
}
