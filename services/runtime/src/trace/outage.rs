//! Tells when the receiver of traces goes away and when it is back: a line for each, however long it takes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tracing::{info, warn};

/// An exporter that does so.
#[derive(Debug)]
pub(super) struct Telling<E> {
    exporter: E,
    /// Spans that were lost since it went away; `None`: it is there.
    lost: Mutex<Option<usize>>,
}

/// What there is to tell.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Away,
    Back { lost: usize },
}

impl<E> Telling<E> {
    pub(super) fn new(exporter: E) -> Self {
        Self { exporter, lost: Mutex::new(None) }
    }

    fn news(&self, spans: usize, exported: bool) -> Option<News> {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        match (*lost, exported) {
            (None, true) => None,
            (Some(before), true) => {
                *lost = None;
                Some(News::Back { lost: before })
            }
            (None, false) => {
                *lost = Some(spans);
                Some(News::Away)
            }
            (Some(before), false) => {
                *lost = Some(before + spans);
                None
            }
        }
    }
}

impl<E: SpanExporter> SpanExporter for Telling<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.exporter.export(batch).await;
        match (self.news(spans, result.is_ok()), &result) {
            (Some(News::Away), Err(error)) => warn!(%error, spans, "traces cannot be exported"),
            (Some(News::Back { lost }), _) => info!(lost, "traces are exported again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_of_twice() {
        let telling = Telling::new(());
        let steps = [(3, true), (3, false), (4, false), (5, false), (3, true), (3, true)];
        let news: Vec<_> = steps.iter().filter_map(|(spans, exported)| telling.news(*spans, *exported)).collect();
        assert_eq!(news, [News::Away, News::Back { lost: 12 }]);
    }
}
