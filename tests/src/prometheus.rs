//! Prometheus, as Debian ships it, with the chart's rules, scraping the services of a world.
//!
//! Its time runs faster than an operator's: every duration in rules and dashboards is divided by [`HASTE`], and scrapes come
//! so much more often. What the rules claim per second stays, and so does the pace of services; therefore `HASTE` is low enough for
//! a stream to start, or a worker to be replaced, within what the shortest `for` then is.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::part::Part;
use crate::services::Service;
use crate::{World, binaries, http, ports, wait};

/// So many times faster than in operation.
pub const HASTE: u64 = 20;
/// Between two scrapes, and two evaluations of rules: 5 s in operation.
const INTERVAL: &str = "250ms";
/// What Grafana makes of its variables, which with these intervals is more than four scrapes.
const VARIABLES: [(&str, &str); 3] = [("$namespace", ".*"), ("$__rate_interval", "2s"), ("$__range", "60s")];

/// A sample of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Labels, with the name as `__name__`.
    pub labels: BTreeMap<String, String>,
    /// Value; may be NaN.
    pub value: f64,
}

impl Sample {
    /// A label; empty if there is none, as in Prometheus.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// A Prometheus that scrapes a world.
#[derive(Debug)]
pub struct Prometheus {
    /// Its process.
    pub part: Part,
    address: SocketAddr,
    _dir: TempDir,
}

impl Prometheus {
    /// Starts one that knows the services of `world` and the chart's rules, hastened; it has scraped each of them once.
    pub async fn watch(world: &World) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("mqtt-video-").tempdir()?;
        let address = SocketAddr::from(([127, 0, 0, 1], ports::free()));
        let at = |name: &str| dir.path().join(name);
        fs::write(at("rules.yaml"), hastened(&rules()?))?;
        fs::write(at("prometheus.yaml"), configuration(world, address))?;
        let part = Part::new("prometheus", "prometheus").args([
            format!("--config.file={}", at("prometheus.yaml").display()),
            format!("--storage.tsdb.path={}", at("data").display()),
            format!("--web.listen-address={address}"),
        ]);
        let mut prometheus = Self { part, address, _dir: dir };
        prometheus.part.start()?;
        prometheus.part.printed("serves", |line| line.contains("ready to receive").then_some(())).await?;
        // Itself, and the services.
        let targets = world.transcoders.len() + 2;
        let all = |found: &[Sample]| found.iter().any(|up| up.value >= targets as f64);
        prometheus.until("each service is scraped", "sum(up)", all).await?;
        Ok(prometheus)
    }

    /// What an expression yields now.
    pub async fn query(&self, expression: &str) -> Result<Vec<Sample>> {
        let data = self.get(&format!("/api/v1/query?query={}", encoded(expression))).await?;
        let results = data["result"].as_array().with_context(|| format!("no vector: {expression}"))?;
        results.iter().map(|result| sample(result).with_context(|| format!("an odd sample: {result}"))).collect()
    }

    /// What a panel's expression shows now.
    pub async fn show(&self, expression: &str) -> Result<Vec<Sample>> {
        self.query(&hastened_expression(&substituted(expression))).await
    }

    /// Asks until `enough` holds of the answer, and returns it.
    pub async fn until(&self, what: &str, expression: &str, enough: impl Fn(&[Sample]) -> bool) -> Result<Vec<Sample>> {
        let deadline = Instant::now() + wait::BACKSTOP;
        loop {
            let found = self.query(expression).await?;
            if enough(&found) {
                return Ok(found);
            }
            ensure!(Instant::now() < deadline, "waited in vain: {what}: {expression} is {found:?}");
            // Nothing tells of it but a further question.
            sleep(wait::PERIOD).await;
        }
    }

    /// Waits until every rule was evaluated with what is known now.
    pub async fn evaluated(&self) -> Result<()> {
        let now = self.query("vector(time())").await?.first().context("no time")?.value;
        let oldest = "min(prometheus_rule_group_last_evaluation_timestamp_seconds)";
        // It scrapes itself, so this waits for an evaluation and for a scrape after it.
        self.until("all rules are evaluated", oldest, |found| found.iter().any(|at| at.value > now)).await?;
        Ok(())
    }

    /// Names of the alerts that are `firing`, or `pending`.
    pub async fn alerts(&self, state: &str) -> Result<Vec<String>> {
        self.named(&format!("count by (alertname) (ALERTS{{alertstate=\"{state}\"}})")).await
    }

    /// Names of the alerts that have ever fired.
    pub async fn fired(&self) -> Result<Vec<String>> {
        self.named("count by (alertname) (present_over_time(ALERTS{alertstate=\"firing\"}[1h]))").await
    }

    /// The rules that it loaded, as its API describes them.
    pub async fn rules(&self) -> Result<Vec<Value>> {
        let data = self.get("/api/v1/rules").await?;
        let groups = data["groups"].as_array().context("no groups")?;
        Ok(groups.iter().filter_map(|group| group["rules"].as_array()).flatten().cloned().collect())
    }

    async fn named(&self, expression: &str) -> Result<Vec<String>> {
        let mut names: Vec<_> =
            self.query(expression).await?.iter().map(|sample| sample.label("alertname").to_owned()).collect();
        names.sort();
        Ok(names)
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let answer = http::get(self.address, path).await?;
        let body: Value = serde_json::from_str(&answer.body).with_context(|| answer.body.clone())?;
        ensure!(body["status"] == "success", "{path}: {}", answer.body);
        Ok(body["data"].clone())
    }
}

impl Drop for Prometheus {
    #[allow(clippy::print_stderr, reason = "the test runner shows it with the failure")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            for line in self.part.log().lines() {
                eprintln!("{:>14} {line}", self.part.name());
            }
        }
    }
}

/// The chart's file of rules, as it is.
pub fn rules() -> Result<String> {
    let file = binaries::repository().join("helm/mqtt-video/rules/mqtt-video.rules.yaml");
    fs::read_to_string(&file).with_context(|| file.display().to_string())
}

/// The chart's dashboard `name`.
pub fn dashboard(name: &str) -> Result<Value> {
    let file = binaries::repository().join(format!("helm/mqtt-video/dashboards/{name}.json"));
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    serde_json::from_str(&text).with_context(|| file.display().to_string())
}

/// Title and expressions of each panel of a dashboard.
pub fn panels(dashboard: &Value) -> Vec<(String, Vec<String>)> {
    let all = dashboard["panels"].as_array().into_iter().flatten().filter(|panel| panel["type"] != "row");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.map(|panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        (text(&panel["title"]), targets.map(|target| text(&target["expr"])).collect())
    })
    .collect()
}

/// The expressions of the one panel with this title.
pub fn panel(dashboard: &Value, title: &str) -> Result<Vec<String>> {
    let found = panels(dashboard).into_iter().find(|(name, _)| name == title);
    Ok(found.with_context(|| format!("no panel {title}"))?.1)
}

/// An expression without the variables of Grafana.
pub fn substituted(expression: &str) -> String {
    VARIABLES.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// Rules with every `for` and the durations of every expression divided.
pub fn hastened(rules: &str) -> String {
    let line = |line: &str| match line.split_once("for: ") {
        Some((before, duration)) if before.trim().is_empty() => format!("{before}for: {}", divided(duration)),
        _ => hastened_expression(line),
    };
    rules.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// An expression with ranges and offsets divided.
pub fn hastened_expression(expression: &str) -> String {
    let mut out = String::new();
    let mut rest = expression;
    loop {
        let range = rest.find('[').map(|at| at + 1);
        let offset = rest.find(" offset ").map(|at| at + " offset ".len());
        let Some(at) = range.into_iter().chain(offset).min() else { break };
        let (before, after) = rest.split_at(at);
        let end = after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
        out.push_str(before);
        out.push_str(&divided(&after[..end]));
        rest = &after[end..];
    }
    out + rest
}

/// `5m` divided; what is no duration, or of Grafana's own making, stays.
fn divided(duration: &str) -> String {
    let unit = duration.find(|c: char| !c.is_ascii_digit()).unwrap_or(duration.len());
    let (number, unit) = duration.split_at(unit);
    let ms = match unit {
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        // Seconds are what the variables became.
        _ => return duration.to_owned(),
    };
    match number.parse::<u64>() {
        Ok(number) => format!("{}ms", Duration::from_millis(number * ms / HASTE).as_millis()),
        Err(_) => duration.to_owned(),
    }
}

/// Outside Kubernetes: no label but those that Prometheus itself adds.
fn configuration(world: &World, own: SocketAddr) -> String {
    let job = |name: &str, services: &mut dyn Iterator<Item = &Service>| {
        let targets: Vec<_> = services.map(|service| format!("\"{}\"", service.http)).collect();
        format!("  - job_name: {name}\n    static_configs: [{{targets: [{}]}}]\n", targets.join(", "))
    };
    format!(
        "global: {{scrape_interval: {INTERVAL}, scrape_timeout: {INTERVAL}, evaluation_interval: {INTERVAL}}}\n\
         rule_files: [rules.yaml]\n\
         scrape_configs:\n{}{}  - job_name: prometheus\n    static_configs: [{{targets: [\"{own}\"]}}]\n",
        job("gatekeeper", &mut std::iter::once(&world.gatekeeper)),
        job("transcoder", &mut world.transcoders.iter()),
    )
}

fn sample(result: &Value) -> Option<Sample> {
    let labels = result["metric"].as_object()?.iter();
    let labels = labels.map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect::<Option<_>>()?;
    Some(Sample { labels, value: result["value"].get(1)?.as_str()?.parse().ok()? })
}

/// As RFC 3986 wants a query.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_divided_and_nothing_else_is() {
        for (from, to) in [
            ("rate(a_total[5m]) > 5", "rate(a_total[15000ms]) > 5"),
            ("a:rate5m / a offset 1h", "a:rate5m / a offset 180000ms"),
            ("rate(a{b=~\"c\"}[2s])", "rate(a{b=~\"c\"}[2s])"),
            ("x[3d] + y[6h]", "x[12960000ms] + y[1080000ms]"),
        ] {
            assert_eq!(hastened_expression(from), to);
        }
        assert_eq!(hastened("  for: 1m\n  summary: wait for: 1m"), "  for: 3000ms\n  summary: wait for: 1m");
    }
}
