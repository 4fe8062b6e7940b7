//! A JSON object whose fields are taken one by one, each with an error that names it.
//!
//! A derived deserializer would stop at the first wrong type and so lose the reply topic that the complaint should go
//! to. Unknown fields are ignored; `null` counts as absent.

use serde_json::{Map, Value};

use crate::refusal::Refusal;

/// The fields of a payload.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads a payload.
    pub(super) fn parse(payload: &[u8]) -> Result<Self, Refusal> {
        match serde_json::from_slice(payload) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(Refusal::bad_request("the payload must be a JSON object")),
            Err(error) => Err(Refusal::bad_request(format!(
                "the payload is not valid JSON (line {}, column {})",
                error.line(),
                error.column()
            ))),
        }
    }

    /// A string of at most `longest` bytes.
    pub(super) fn text(&self, name: &str, longest: usize) -> Result<Option<String>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.len() <= longest => Ok(Some(text.clone())),
            Some(Value::String(_)) => {
                Err(Refusal::bad_request(format!("`{name}` must be at most {longest} bytes long")))
            }
            Some(_) => Err(Refusal::bad_request(format!("`{name}` must be a string"))),
        }
    }

    /// A list of strings.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Refusal> {
        let refusal = || Refusal::bad_request(format!("`{name}` must be a list of strings"));
        let Some(value) = self.get(name) else { return Ok(None) };
        let items = value.as_array().ok_or_else(refusal)?;
        items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(refusal))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// A number from 0 to `largest`.
    pub(super) fn number(&self, name: &str, largest: f64) -> Result<Option<f64>, Refusal> {
        match self.get(name).map(Value::as_f64) {
            None => Ok(None),
            Some(Some(number)) if (0.0..=largest).contains(&number) => Ok(Some(number)),
            Some(_) => Err(Refusal::bad_request(format!("`{name}` must be a number from 0 to {largest}"))),
        }
    }

    /// An object in this one.
    pub(super) fn object(&self, name: &str) -> Result<Option<Self>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(Self(fields.clone()))),
            Some(_) => Err(Refusal::bad_request(format!("`{name}` must be an object"))),
        }
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }
}
