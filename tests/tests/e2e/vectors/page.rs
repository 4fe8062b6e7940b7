//! The examples of the page, taken out of its Markdown.

use anyhow::{Context, Result, bail, ensure};

/// All that is replayed.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// The sources file that the examples assume.
    pub(super) sources: String,
    /// The examples in their order.
    pub(super) vectors: Vec<Vector>,
}

/// An example.
#[derive(Debug)]
pub(super) struct Vector {
    /// Its name.
    pub(super) name: String,
    /// Whether the viewer speaks MQTT 3.1.1.
    pub(super) old: bool,
    /// What happens.
    pub(super) steps: Vec<Step>,
}

/// Who publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Direction {
    /// The viewer.
    Send,
    /// The service.
    #[default]
    Receive,
}

/// A message.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// Its topic.
    pub(super) topic: String,
    /// Who publishes it.
    pub(super) direction: Direction,
    /// Whether others on the topic may come before.
    pub(super) eventually: bool,
    /// Whether it is a retained one.
    pub(super) retained: bool,
    /// Its Response Topic.
    pub(super) response_topic: Option<String>,
    /// Its Correlation Data as text.
    pub(super) correlation: Option<String>,
    /// Length of its Correlation Data.
    pub(super) correlation_bytes: Option<usize>,
    /// `json`, `mp4` or `text`.
    pub(super) language: String,
    /// The block.
    pub(super) body: String,
}

/// Reads the page.
pub(super) fn read(text: &str) -> Result<Page> {
    let mut page = Page::default();
    let mut lines = text.lines();
    let mut open: Option<Vector> = None;
    let mut in_sources = false;
    while let Some(line) = lines.next() {
        if let Some(comment) = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")) {
            if comment == "vectors: sources" {
                in_sources = true;
            } else if let Some(title) = comment.strip_prefix("vector: ") {
                ensure!(open.is_none(), "{title} begins within another example");
                let (name, old) = match title.strip_suffix(", MQTT 3.1.1") {
                    Some(name) => (name, true),
                    None => (title, false),
                };
                open = Some(Vector { name: name.to_owned(), old, steps: Vec::new() });
            } else if comment == "end" {
                page.vectors.push(open.take().context("`end` without a beginning")?);
            }
        } else if let Some(language) = line.strip_prefix("```").filter(|language| !language.is_empty()) {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let body = body.join("\n");
            if let Some(vector) = &mut open {
                let step = vector.steps.last_mut().context("a block before the first step")?;
                ensure!(step.language.is_empty(), "two blocks for {}", step.topic);
                (step.language, step.body) = (language.to_owned(), body);
            } else if std::mem::take(&mut in_sources) {
                page.sources = body;
            }
        } else if let Some(vector) = &mut open
            && let Some(step) = step(line)?
        {
            vector.steps.push(step);
        }
    }
    ensure!(open.is_none(), "an example has no end");
    ensure!(!page.sources.is_empty(), "no sources");
    for step in page.vectors.iter().flat_map(|vector| &vector.steps) {
        ensure!(!step.language.is_empty(), "no block for {}", step.topic);
    }
    Ok(page)
}

/// A line such as ``← `video/reply/x` · eventually · correlation data 12 bytes``.
fn step(line: &str) -> Result<Option<Step>> {
    let (direction, rest) = match line.split_once(' ') {
        Some(("→", rest)) => (Direction::Send, rest),
        Some(("←", rest)) => (Direction::Receive, rest),
        _ => return Ok(None),
    };
    let mut parts = rest.split(" · ");
    let topic = quoted(parts.next().unwrap_or_default()).with_context(|| format!("no topic in {line}"))?;
    let mut step = Step { topic, direction, ..Step::default() };
    for attribute in parts {
        match attribute {
            "eventually" => step.eventually = true,
            "retained" => step.retained = true,
            other => {
                if let Some(topic) = other.strip_prefix("response topic ").and_then(quoted) {
                    step.response_topic = Some(topic);
                } else if let Some(data) = other.strip_prefix("correlation data ").and_then(quoted) {
                    step.correlation = Some(data);
                } else if let Some(length) =
                    other.strip_prefix("correlation data ").and_then(|rest| rest.strip_suffix(" bytes"))
                {
                    step.correlation_bytes = Some(length.parse()?);
                } else {
                    bail!("unknown attribute {other}");
                }
            }
        }
    }
    Ok(Some(step))
}

fn quoted(text: &str) -> Option<String> {
    Some(text.strip_prefix('`')?.strip_suffix('`')?.to_owned())
}
