//! A flat JSON object for each event: whatever a span or the event itself says is a field of its own.
//!
//! So a collector finds `session` and `source` at the same place on every line. What is nearer to the event goes before
//! what is further out: inside the span of a stream an event about one of its viewers has that viewer's session.

use std::fmt;

use serde_json::{Map, Value};
use tracing::{Event, Subscriber};
use tracing_serde::fields::AsMap;
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormattedFields};
use tracing_subscriber::registry::{LookupSpan, Scope};

/// The fields that every line has, in this order; no other field may take their names.
const FIXED: [&str; 4] = ["timestamp", "level", "target", "message"];

pub(super) struct Json;

impl<S: Subscriber + for<'a> LookupSpan<'a>> FormatEvent<S, JsonFields> for Json {
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Map::new();
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            let extensions = span.extensions();
            let Some(own) = extensions.get::<FormattedFields<JsonFields>>() else { continue };
            if let Ok(Value::Object(own)) = serde_json::from_str(&own.fields) {
                fields.extend(own);
            }
        }
        if let Ok(Value::Object(own)) = serde_json::to_value(event.field_map()) {
            fields.extend(own);
        }
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let message = fields.remove("message").unwrap_or_default();
        let metadata = event.metadata();
        let fixed = [time.into(), metadata.level().as_str().into(), metadata.target().into(), message];
        let mut separator = '{';
        for (name, value) in FIXED.iter().zip(fixed) {
            fields.remove(*name);
            write!(writer, "{separator}\"{name}\":{value}")?;
            separator = ',';
        }
        for (name, value) in fields {
            write!(writer, ",{}:{value}", Value::from(name))?;
        }
        writer.write_str("}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use tracing::{info, info_span};

    struct Line(mpsc::Sender<Vec<u8>>);

    impl std::io::Write for Line {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.send(bytes.to_vec()).ok();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(event: impl FnOnce()) -> String {
        let (sender, lines) = mpsc::channel();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(JsonFields::new())
            .event_format(Json)
            .with_writer(move || Line(sender.clone()))
            .finish();
        tracing::subscriber::with_default(subscriber, event);
        String::from_utf8(lines.recv().expect("a line")).expect("UTF-8")
    }

    fn rest_of(line: &str) -> Value {
        let mut value: Value = serde_json::from_str(line).expect("JSON");
        let fields = value.as_object_mut().expect("an object");
        assert!(fields.remove("timestamp").is_some_and(|time| time.as_str().is_some_and(|time| time.ends_with('Z'))));
        assert_eq!(fields.remove("level"), Some("INFO".into()));
        assert_eq!(fields.remove("target"), Some("runtime::log::json::tests".into()));
        value
    }

    #[test]
    fn what_is_nearer_to_the_event_goes_before_what_is_further_out() {
        let line = logged(|| {
            let outer = info_span!("stream", source = "lobby", session = "a", late = tracing::field::Empty).entered();
            outer.record("late", 7);
            let _inner = info_span!("run", session = "b").entered();
            info!(session = "c", viewers = 2, "viewer joins");
        });
        let expected = serde_json::json!({
            "message": "viewer joins", "source": "lobby", "late": 7, "session": "c", "viewers": 2,
        });
        assert_eq!(rest_of(&line), expected);
        assert_eq!(line.matches("session").count(), 1, "{line}");
    }

    #[test]
    fn no_field_takes_the_place_of_a_fixed_one() {
        let line = logged(|| info!(level = "none", timestamp = 0, "x\ny"));
        assert_eq!(rest_of(&line), serde_json::json!({"message": "x\ny"}));
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert!(line.starts_with("{\"timestamp\":"), "{line}");
    }

    #[test]
    fn an_event_without_fields_is_an_object_too() {
        assert_eq!(rest_of(&logged(|| info!("x"))), serde_json::json!({"message": "x"}));
    }
}
