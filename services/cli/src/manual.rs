//! What a package installs beside the program: shell completions and manual pages, made from the arguments themselves.

use clap::CommandFactory as _;

use crate::args::Cli;
use crate::exit::Failure;
use crate::output;

/// Prints completions.
pub(crate) fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mqtt-video-cli", &mut text);
    output::print(&text)
}

/// Prints the page of one command, or those of all, one after the other.
pub(crate) fn pages(only: Option<&str>) -> Result<(), Failure> {
    let mut text = Vec::new();
    for command in commands(only) {
        let title = title(&command);
        clap_mangen::Man::new(command).title(title).render(&mut text)?;
    }
    output::print(&text)
}

/// The program's own command and each of its commands, or the one that is named.
fn commands(only: Option<&str>) -> Vec<clap::Command> {
    let mut root = Cli::command();
    root.build();
    let all: Vec<_> = root.get_subcommands().filter(|command| command.get_name() != "help").cloned().collect();
    let Some(name) = only else { return std::iter::once(root).chain(all).collect() };
    let names: Vec<_> = all.iter().map(|command| command.get_name().to_owned()).collect();
    if let Some(command) = all.into_iter().find(|command| command.get_name() == name) {
        return vec![command];
    }
    let message = format!("there is no command `{name}`; there are: {}", names.join(", "));
    Cli::command().error(clap::error::ErrorKind::InvalidValue, message).exit()
}

/// Of the page: `mqtt-video-cli play` is in mqtt-video-cli-play(1).
fn title(command: &clap::Command) -> String {
    command.get_display_name().unwrap_or(command.get_name()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_has_a_page_for_every_command() {
        let names: Vec<String> = commands(None).iter().map(title).collect();
        let expected = ["", "-describe", "-play", "-load", "-top", "-completions", "-man"];
        assert_eq!(names, expected.map(|end| format!("mqtt-video-cli{end}")));
    }
}
