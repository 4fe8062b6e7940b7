//! Whether a message is what an example says.

use std::collections::HashMap;

use e2e::mqtt::Message;
use serde_json::Value;

use super::page::Step;

/// Stands for any further fields of an object.
const REST: &str = "…";

/// What the placeholders of an example stand for so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Bindings(HashMap<String, Value>);

impl Bindings {
    /// Puts the values of placeholders into a payload that is sent.
    pub(super) fn fill(&self, body: &str) -> String {
        let mut body = body.to_owned();
        for (name, value) in &self.0 {
            body = body.replace(&format!("\"{name}\""), &value.to_string());
        }
        body
    }
}

/// Compares; placeholders that are met for the first time are bound if all of it fits.
pub(super) fn fits(step: &Step, body: &str, message: &Message, bindings: &mut Bindings) -> Result<(), String> {
    if message.retain != step.retained {
        return Err(format!("retained: {}", message.retain));
    }
    if let Some(data) = &step.correlation
        && message.correlation.as_deref() != Some(data.as_bytes())
    {
        return Err(format!("correlation data is {:?}", message.correlation));
    }
    if let Some(length) = step.correlation_bytes
        && message.correlation.as_ref().map(bytes::Bytes::len) != Some(length)
    {
        return Err(format!("correlation data is {:?}", message.correlation));
    }
    match step.language.as_str() {
        "json" => {
            let expected = serde_json::from_str(body).map_err(|error| format!("the example is no JSON: {error}"))?;
            let seen = serde_json::from_slice(&message.payload)
                .map_err(|error| format!("no JSON ({error}): {}", boxes(&message.payload).join(" ")))?;
            let mut tried = bindings.clone();
            equal(&expected, &seen, &mut tried).map_err(|why| format!("{why}; the message is {seen}"))?;
            *bindings = tried;
            Ok(())
        }
        "mp4" => {
            let seen = boxes(&message.payload);
            let expected: Vec<&str> = body.split_whitespace().collect();
            let fitting = match expected.split_last() {
                Some((&REST, first)) => seen.len() >= first.len() && first.iter().zip(&seen).all(|(a, b)| a == b),
                _ => seen == expected,
            };
            let text = || String::from_utf8_lossy(&message.payload[..message.payload.len().min(200)]).into_owned();
            if fitting { Ok(()) } else { Err(format!("boxes are {seen:?}: {}", text())) }
        }
        other => Err(format!("a {other} block is not for comparing")),
    }
}

fn equal(expected: &Value, seen: &Value, bindings: &mut Bindings) -> Result<(), String> {
    match (expected, seen) {
        (Value::String(name), _) if name.starts_with('<') && name.ends_with('>') => {
            let bound = bindings.0.entry(name.clone()).or_insert_with(|| seen.clone());
            if bound == seen { Ok(()) } else { Err(format!("{name} was {bound} and is {seen}")) }
        }
        (Value::Object(expected), Value::Object(seen)) => {
            for (name, value) in expected.iter().filter(|(name, _)| *name != REST) {
                let Some(seen) = seen.get(name) else { return Err(format!("{name} is missing")) };
                equal(value, seen, bindings).map_err(|why| format!("{name}: {why}"))?;
            }
            let strange = seen.keys().find(|name| !expected.contains_key(*name));
            match strange {
                Some(name) if !expected.contains_key(REST) => Err(format!("{name} is not in the example")),
                _ => Ok(()),
            }
        }
        (Value::Array(expected), Value::Array(seen)) if expected.len() == seen.len() => {
            expected.iter().zip(seen).try_for_each(|(expected, seen)| equal(expected, seen, bindings))
        }
        _ if expected == seen => Ok(()),
        _ => Err(format!("{seen} instead of {expected}")),
    }
}

/// Names of the top-level boxes, as far as the payload goes.
fn boxes(payload: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = payload;
    while let (Some(size), Some(name)) = (rest.first_chunk::<4>(), rest.get(4..8)) {
        names.push(String::from_utf8_lossy(name).into_owned());
        let size = (u32::from_be_bytes(*size) as usize).max(8);
        rest = rest.get(size..).unwrap_or_default();
    }
    names
}
